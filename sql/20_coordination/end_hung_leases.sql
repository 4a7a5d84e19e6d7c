-- end_hung_leases()
-- Purpose: ends lease backends that have not heard from their node, or have been in one statement,
--          for too long. PostgreSQL's own time-outs do not run in the middle of a half-sent message,
--          nor while a backend is blocked in sending; and they count by the server's wall clock, so
--          that one that steps back prolongs them. So the silence is measured here by watching: the
--          same state at every look, and between two looks no more counts than a leader takes, so
--          that a clock that jumps ahead ends nobody. What was seen stays with the connection.
-- Returns: how many were ended.   Calls: terminate_backend.
-- Tables: session.   Internal; called by tend.
CREATE OR REPLACE FUNCTION holdfast.end_hung_leases() RETURNS int
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_longest_ms constant int := 2000; -- a leader looks every second
    v_now   constant timestamptz := clock_timestamp();
    v_seen  constant jsonb := coalesce(nullif(current_setting('holdfast.leases_seen', true), ''), '{}')::jsonb;
    v_step  int;
    v_next  jsonb;
    v_count int;
BEGIN
    v_step := greatest(0, least(v_longest_ms,
                                extract(epoch FROM v_now - (v_seen ->> 'at')::timestamptz) * 1000));
    WITH looked AS MATERIALIZED (
        SELECT a.pid, a.state, s.ttl_ms, s.session_id::text AS id,
               extract(epoch FROM a.state_change)::text AS since
          FROM session s
          JOIN pg_stat_activity a ON a.pid = s.lease_pid AND a.backend_start = s.lease_start
         WHERE s.ended_at IS NULL AND a.pid <> pg_backend_pid()),
    watched AS MATERIALIZED (
        SELECT l.*, CASE WHEN v_seen -> l.id ->> 0 = l.since
                         THEN (v_seen -> l.id ->> 1)::int + v_step ELSE 0 END AS silent_ms
          FROM looked l),
    ended AS (
        SELECT terminate_backend(w.pid) AS done
          FROM watched w
         WHERE w.silent_ms > CASE WHEN w.state = 'idle' THEN 2 * w.ttl_ms ELSE w.ttl_ms END)
    SELECT (SELECT count(*) FILTER (WHERE e.done) FROM ended e),
           (SELECT coalesce(jsonb_object_agg(w.id, jsonb_build_array(w.since, w.silent_ms)), '{}')
              FROM watched w)
      INTO v_count, v_next;
    PERFORM set_config('holdfast.leases_seen', (v_next || jsonb_build_object('at', v_now))::text, false);
    RETURN v_count;
END
$$;
COMMENT ON FUNCTION holdfast.end_hung_leases() IS 'Internal: ends lease backends that hang';
