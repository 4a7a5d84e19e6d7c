-- watch(session_key, timeout_ms)
-- Purpose: waits for the death of the caller's predecessor in the ring of live sessions, by waiting
--          for its lock in shared mode. Every form of waiting holds a snapshot and so holds back
--          vacuum: one call waits no longer than most of deadlock_timeout; the node calls again.
-- Parameters: session_key: the caller's; timeout_ms: how long to wait at most.
-- Returns: died: call sweep(); waiting: call again; alone: nobody else is live, call again later.
-- Errors: HF002 the session has ended; HF004 on a lease connection.
-- Calls: session_of, refuse_on_lease, note_backend, lock_class.   Tables: session (read; update when the watch connection is a new one).
CREATE OR REPLACE FUNCTION holdfast.watch(session_key uuid, timeout_ms int) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_id          constant int := session_of(session_key);
    v_predecessor int;
    v_before      constant text := current_setting('lock_timeout');
    v_patience    int;
BEGIN
    IF NOT EXISTS (SELECT FROM session s WHERE s.session_id = v_id AND s.watch_pid = pg_backend_pid()) THEN
        PERFORM refuse_on_lease('watch');
        PERFORM note_backend(v_id, 'watch');
        -- Not in the transaction that waits: others must be able to write this row meanwhile.
        RETURN 'waiting';
    END IF;
    SELECT coalesce((SELECT max(s.session_id) FROM session s
                      WHERE s.ended_at IS NULL AND s.session_id < v_id),
                    (SELECT max(s.session_id) FROM session s
                      WHERE s.ended_at IS NULL AND s.session_id > v_id))
      INTO v_predecessor;
    IF v_predecessor IS NULL THEN
        RETURN 'alone';
    END IF;

    -- Not from pg_settings: that would list them all, several hundred times a second in a large cluster.
    v_patience := least(timeout_ms,
                        extract(epoch FROM current_setting('deadlock_timeout')::interval) * 1000 * 0.8)::int;
    PERFORM set_config('lock_timeout', greatest(v_patience, 1)::text, true);
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(lock_class(), v_predecessor);
    EXCEPTION WHEN lock_not_available THEN
        RETURN 'waiting';
    END;
    PERFORM set_config('lock_timeout', v_before, true);
    -- Granted: it is dead, unless somebody else has ended it already.
    RETURN CASE WHEN EXISTS (SELECT FROM session s
                              WHERE s.session_id = v_predecessor AND s.ended_at IS NULL)
                THEN 'died' ELSE 'waiting' END;
END
$$;
COMMENT ON FUNCTION holdfast.watch(uuid, int) IS 'Waits for the death of the predecessor in the ring: died, waiting or alone';
