-- short_name(name)
-- Purpose: a name that fits into an index, whoever made it up: devices name members as they like, and a
--          dead letter that cannot be written would hold its partition up for ever. Longer ones than
--          1,024 bytes keep their beginning and get their hash, so that two stay two.
-- Returns: the name.   Calls: nothing.   Tables: none.   Internal.
CREATE OR REPLACE FUNCTION holdfast.short_name(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN octet_length(name) <= 1024 THEN name
            ELSE left(name, 200) || '...' || encode(sha256(convert_to(name, 'UTF8')), 'hex') END;
COMMENT ON FUNCTION holdfast.short_name(text) IS 'Internal: a name that fits into an index, whoever made it up';
