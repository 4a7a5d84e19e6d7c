-- schema_version()
-- Purpose: what `holdfast migrate` has applied, for nodes and people to compare with a build.
-- Returns: one row: the highest migration, and SHA-256 over a line "<path> <checksum>\n" for each
--          file of sql/, byte-wise by path (src/pg/sql_files.h computes the same from the files).
-- Calls: nothing.   Tables: schema_migration, schema_object (read).
CREATE OR REPLACE FUNCTION holdfast.schema_version(OUT version int, OUT digest text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    SELECT (SELECT max(m.version) FROM holdfast.schema_migration m),
           (SELECT encode(sha256(convert_to(string_agg(o.path || ' ' || o.checksum || E'\n', ''
                                                       ORDER BY o.path), 'UTF8')), 'hex')
              FROM holdfast.schema_object o)
$$;
COMMENT ON FUNCTION holdfast.schema_version() IS
    'The highest migration that was applied, and a digest over the files of sql/ that were';
