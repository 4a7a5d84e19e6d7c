-- terminate_backends(session_ids, spare)
-- Purpose: ends what is left of the backends of dead sessions. A client that is frozen in the middle
--          of a pipeline keeps its backend, and its row locks, for ever: no time-out runs there.
--          Pid and start must both match: pids come again.
-- Parameters: session_ids: whose backends; spare: pids to leave alone (a node that joins again
--             brings its open connections with it).
-- Returns: number of backends that were told to end.   Calls: terminate_backend.   Tables: session (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.terminate_backends(session_ids int[], spare int[] DEFAULT '{}') RETURNS int
LANGUAGE plpgsql VOLATILE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_count int;
BEGIN
    IF cardinality(array_remove(session_ids, NULL)) = 0 THEN
        RETURN 0;
    END IF;
    -- This transaction may have looked before it waited for its lock.
    PERFORM pg_stat_clear_snapshot();
    WITH left_over AS MATERIALIZED (
        SELECT a.pid
          FROM session s
         CROSS JOIN LATERAL (VALUES (s.lease_pid, s.lease_start), (s.watch_pid, s.watch_start),
                                    (s.work_pid, s.work_start)) AS b (pid, started)
          JOIN pg_stat_activity a ON a.pid = b.pid AND a.backend_start = b.started
         WHERE s.session_id = ANY (session_ids)
           AND a.pid <> pg_backend_pid()
           AND a.pid <> ALL (spare))
    SELECT count(*) FILTER (WHERE terminate_backend(l.pid)) INTO v_count FROM left_over l;
    RETURN v_count;
END
$$;
COMMENT ON FUNCTION holdfast.terminate_backends(int[], int[]) IS 'Internal: ends what is left of the backends of dead sessions';
