-- schema_serves(version, digest)
-- Purpose: may a node of another build work with this schema? For a node that finds another version
--          than its own: one of an older build, in a rolling upgrade or put back after it.
-- Parameters: version, digest: what schema_version() returns on a database that its build has migrated.
-- Returns: one row. serves: this database has been what the build brings, or is past it, and no
--          migration since breaks it; broken_by: the first migration that does, or null.
-- Calls: nothing.   Tables: schema_migration, schema_build, schema_break (read).
CREATE OR REPLACE FUNCTION holdfast.schema_serves(version int, digest text,
                                                  OUT serves boolean, OUT broken_by text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    SELECT b.name IS NULL
           AND ($1 < (SELECT max(m.version) FROM holdfast.schema_migration m)
                OR EXISTS (SELECT FROM holdfast.schema_build s WHERE s.version = $1 AND s.digest = $2)),
           b.name
      FROM (SELECT min(format('%s_%s', lpad(x.version::text, 4, '0'), m.name)) AS name
              FROM holdfast.schema_break x
              JOIN holdfast.schema_migration m USING (version)
             WHERE x.nodes_before > $1) b
$$;
COMMENT ON FUNCTION holdfast.schema_serves(int, text) IS
    'May a node of another build work with this schema?';
