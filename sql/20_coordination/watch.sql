-- watch(session_key, timeout_ms)
-- Purpose: waits for the death of the caller's predecessor in the ring of live sessions, by waiting
--          for its lock in shared mode. Every form of waiting holds a snapshot and so holds back
--          vacuum: one call waits no longer than most of deadlock_timeout; the node calls again.
-- Parameters: session_key: the caller's; timeout_ms: how long to wait at most.
-- Returns: died: call sweep(); waiting: call again; alone: nobody else is live, call again later.
-- Errors: HF002 the session has ended; HF004 on a lease connection.
-- Every node calls it all the time: one query says what there is to say when nothing is amiss.
-- Calls: session_of, refuse_on_lease, note_backend, lock_class.
-- Tables: session (read; update when the watch connection is a new one), incarnation_live (read).
CREATE OR REPLACE FUNCTION holdfast.watch(session_key uuid, timeout_ms int) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_id          int;
    v_known       boolean;
    v_predecessor int;
    v_patience    int;
    v_done        boolean;
BEGIN
    SELECT s.session_id, s.watch_pid = pg_backend_pid(),
           (SELECT max(o.session_id) FROM session o
             WHERE o.ended_at IS NULL AND o.session_id < s.session_id)
      INTO v_id, v_known, v_predecessor
      FROM session s
      JOIN incarnation_live i ON i.incarnation = s.incarnation
     WHERE s.session_key = watch.session_key AND s.ended_at IS NULL;
    IF NOT FOUND THEN
        v_id := session_of(session_key);
    END IF;
    IF NOT v_known THEN
        PERFORM refuse_on_lease('watch');
        PERFORM note_backend(v_id, 'watch');
        -- Not in the transaction that waits: others must be able to write this row meanwhile.
        RETURN 'waiting';
    END IF;
    IF v_predecessor IS NULL THEN
        SELECT max(s.session_id) INTO v_predecessor
          FROM session s
         WHERE s.ended_at IS NULL AND s.session_id > v_id;
        IF v_predecessor IS NULL THEN
            RETURN 'alone';
        END IF;
    END IF;

    -- Not from pg_settings: that would list them all, several hundred times a second in a large cluster.
    v_patience := least(timeout_ms,
                        extract(epoch FROM current_setting('deadlock_timeout')::interval) * 1000 * 0.8)::int;
    -- Of this transaction alone. Expressions, not PERFORM: that would be two queries more.
    v_done := set_config('lock_timeout', greatest(v_patience, 1)::text, true) IS NULL;
    BEGIN
        v_done := pg_advisory_xact_lock_shared(lock_class(), v_predecessor) IS NULL;
    EXCEPTION WHEN lock_not_available THEN
        RETURN 'waiting';
    END;
    -- Granted: it is dead, unless somebody else has ended it already.
    RETURN CASE WHEN EXISTS (SELECT FROM session s
                              WHERE s.session_id = v_predecessor AND s.ended_at IS NULL)
                THEN 'died' ELSE 'waiting' END;
END
$$;
COMMENT ON FUNCTION holdfast.watch(uuid, int) IS 'Waits for the death of the predecessor in the ring: died, waiting or alone';
