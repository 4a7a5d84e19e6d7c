-- incarnation_current()
-- Purpose: the incarnation of the server, if it has been opened by a join.
-- Returns: its uuid; null: a new life has begun and nobody has joined in it yet. A row that came
--          with a dump is no life of this database.
-- Calls: live_timeline, database_identity.   Tables: incarnation_live (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.incarnation_current() RETURNS uuid
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT l.incarnation
              FROM incarnation_live l
             WHERE l.postmaster_start = pg_postmaster_start_time()
               AND l.timeline = live_timeline()
               AND l.system_identifier = database_identity());
END
$$;
COMMENT ON FUNCTION holdfast.incarnation_current() IS 'Internal: the open incarnation of the server, or null';
