-- live_timeline()
-- Purpose: the timeline that the server writes now. The control file's lags behind a promotion
--          until the first checkpoint; the name of the present WAL file does not.
-- Returns: int.   Calls: nothing.   Tables: none.   Internal.
CREATE OR REPLACE FUNCTION holdfast.live_timeline() RETURNS int
LANGUAGE sql STABLE
RETURN ('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int;
COMMENT ON FUNCTION holdfast.live_timeline() IS 'Internal: the timeline that the server writes now';
