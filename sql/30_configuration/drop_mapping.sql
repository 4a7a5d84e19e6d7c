-- drop_mapping(fleet, name)
-- Purpose: removes a mapping rule. Running nodes follow.
-- Returns: whether there was one.   Calls: bump, add_event.   Tables: mapping (delete).
CREATE OR REPLACE FUNCTION holdfast.drop_mapping(fleet text, name text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    DELETE FROM holdfast.mapping m
     WHERE m.fleet = drop_mapping.fleet AND m.name = drop_mapping.name;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM holdfast.bump('config');
    PERFORM holdfast.add_event('config', NULL,
                               'mapping ' || drop_mapping.fleet || '/' || drop_mapping.name,
                               'mapping dropped', 'by ' || session_user);
    RETURN true;
END
$$;
COMMENT ON FUNCTION holdfast.drop_mapping(text, text) IS 'Removes a mapping rule; running nodes follow';
