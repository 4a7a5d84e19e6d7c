-- sweep(session_key)
-- Purpose: ends all sessions that are provably dead, opens the next terms of their leases, places
--          their partitions, notifies, and says what the caller owns now. Called by the watcher that
--          woke up. Any number may call it at once: one does it, the others find it done.
-- Parameters: session_key: the caller's.
-- Returns: the caller's assignment; nothing when the caller's own lease turned out to be gone.
-- Errors: HF002 the session has ended; HF004 on a lease connection.
-- Calls: session_of, refuse_on_lease, lock_class, sweep_dead, assigned_to.   Tables: none itself.
CREATE OR REPLACE FUNCTION holdfast.sweep(session_key uuid) RETURNS SETOF holdfast.assigned
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    v_id constant int := session_of(session_key);
BEGIN
    PERFORM refuse_on_lease('sweep');
    -- When many die at once, many watchers wake up in one moment. One after the other: the first does
    -- it undisturbed, and the others see at a glance that it is done. The leader's timer does not queue.
    PERFORM pg_advisory_xact_lock(lock_class()::bigint);
    PERFORM sweep_dead(v_id);
    RETURN QUERY SELECT * FROM assigned_to(v_id);
END
$$;
COMMENT ON FUNCTION holdfast.sweep(uuid) IS 'Ends all dead sessions, places what they owned, and returns the caller''s assignment';
