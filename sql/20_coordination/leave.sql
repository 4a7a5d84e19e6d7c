-- leave(session_key)
-- Purpose: a clean stop: ends the caller's session, opens the next terms of its leases, gives its
--          partitions to others at once and notifies. The caller has drained and checkpointed before;
--          it closes its connections after. Its lock goes with the lease connection.
-- Parameters: session_key: the caller's.
-- Returns: nothing.   Errors: HF002 the session has ended.
-- Calls: session_of, lock_cluster, dead_sessions, terminate_backends, end_sessions, open_terms, place_free.
-- Tables: none itself.
CREATE OR REPLACE FUNCTION holdfast.leave(session_key uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    v_id   int := session_of(session_key);
    v_dead int[];
BEGIN
    PERFORM lock_cluster();
    v_id := session_of(session_key);
    -- The dead first: nothing of the caller's may go to one of them. Without the caller itself: it
    -- may be on its lease connection, whose own lock does not stop its try-lock.
    v_dead := array_remove(dead_sessions(), v_id);
    PERFORM terminate_backends(v_dead);
    PERFORM end_sessions(v_dead, 'died');
    PERFORM end_sessions(ARRAY[v_id], 'left');
    PERFORM open_terms(NULL);
    PERFORM place_free();
    PERFORM pg_notify('holdfast', 'members');
END
$$;
COMMENT ON FUNCTION holdfast.leave(uuid) IS 'A clean stop: hands over all that the caller owns, at once';
