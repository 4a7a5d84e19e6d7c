-- dead_letter_weeks()
-- Purpose: the partitions of the table of dead letters but the default one, by what they are named.
-- Returns: a row per partition: name, begins_at, ends_at (exclusive).   Calls: nothing.
-- Tables: pg_inherits, pg_class (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.dead_letter_weeks()
RETURNS TABLE (name text, begins_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    SELECT w.name, w.begins_at, w.begins_at + interval '168 hours'
      FROM (SELECT c.relname::text AS name,
                   to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' AS begins_at
              FROM pg_inherits i
              JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = 'holdfast.dead_letter'::regclass AND c.relname ~ '^dead_letter_[0-9]{8}$') AS w
$$;
COMMENT ON FUNCTION holdfast.dead_letter_weeks() IS 'Internal: the partitions of the table of dead letters';
