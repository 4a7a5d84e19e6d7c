-- setting_ms(name)
-- Purpose: a whole-number setting.
-- Parameters: name: of a row of `setting` of kind integer.
-- Returns: its value.   Calls: nothing.   Tables: setting (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.setting_ms(name text) RETURNS int
LANGUAGE sql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$ SELECT s.value::int FROM setting s WHERE s.name = $1 AND s.kind = 'integer' $$;
COMMENT ON FUNCTION holdfast.setting_ms(text) IS 'Internal: value of a whole-number setting';
