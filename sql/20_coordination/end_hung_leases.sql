-- end_hung_leases()
-- Purpose: ends lease backends that PostgreSQL's own time-outs do not reach: one that has not been
--          idle for longer than its TTL (the client froze in the middle of a pipeline or of reading
--          an answer), or, as a backstop, has not said anything for twice its TTL.
-- Returns: number of backends that were told to end.   Calls: terminate_backend, ms.
-- Tables: session, pg_stat_activity (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.end_hung_leases() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_count int;
BEGIN
    WITH hung AS MATERIALIZED (
        SELECT a.pid
          FROM session s
          JOIN pg_stat_activity a ON a.pid = s.lease_pid AND a.backend_start = s.lease_start
         WHERE s.ended_at IS NULL AND a.pid <> pg_backend_pid()
           AND a.state_change < clock_timestamp() - ms(CASE WHEN a.state = 'idle' THEN 2 * s.ttl_ms ELSE s.ttl_ms END))
    SELECT count(*) FILTER (WHERE terminate_backend(h.pid)) INTO v_count FROM hung h;
    RETURN v_count;
END
$$;
COMMENT ON FUNCTION holdfast.end_hung_leases() IS 'Internal: ends lease backends that hang';
