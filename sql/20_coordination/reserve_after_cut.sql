-- reserve_after_cut(dead, previous, previous_key, ttl_ms)
-- Purpose: tells a way to the database that was cut from nodes that died. When the process that joins
--          shows by its key that it lived through the end of its session, and every other session has
--          ended with it, it was not the nodes: they live on, deliver, and are about to come back. What
--          they owned is then reserved as after a restart of the server, so that nobody delivers again
--          what they have delivered since. When only one session is left, or when a process without a
--          key is the first to join, nothing speaks for a cut, and nothing waits.
-- Parameters: dead: all sessions that are provably dead; previous: the joiner's last session, or null;
--             previous_key: the key that the joiner presents, or null; ttl_ms: its TTL.
-- Returns: whether to reserve; then cluster.reserved_until is one TTL from now (the longest of theirs, the
--          joiner's and the setting's).
-- Calls: setting_ms, ms, add_event.   Tables: session (read), cluster (update).   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.reserve_after_cut(dead int[], previous int, previous_key uuid, ttl_ms int) RETURNS boolean
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_node   text;
    v_others int;
    v_keep   timestamptz;
BEGIN
    SELECT s.node INTO v_node
      FROM session s
     WHERE s.session_id = previous AND s.session_key = reserve_after_cut.previous_key;
    IF NOT FOUND
       OR EXISTS (SELECT FROM session s
                   WHERE s.ended_at IS NULL AND s.session_id <> previous AND s.session_id <> ALL (dead)) THEN
        RETURN false;
    END IF;
    SELECT count(*), clock_timestamp() + ms(greatest(max(s.ttl_ms), reserve_after_cut.ttl_ms, setting_ms('ttl_ms')))
      INTO v_others, v_keep
      FROM session s
     WHERE s.session_id = ANY (dead) AND s.session_id <> previous;
    IF v_others = 0 THEN
        RETURN false;
    END IF;
    UPDATE cluster c SET reserved_until = greatest(c.reserved_until, v_keep);
    PERFORM add_event('death', v_node, NULL, 'All sessions ended at once, and the nodes did not: the way to the database was cut',
                      format('Sessions besides this node''s: %s. Their partitions are reserved for their nodes until %s.', v_others, v_keep));
    RETURN true;
END
$$;
COMMENT ON FUNCTION holdfast.reserve_after_cut(int[], int, uuid, int) IS
    'Internal: whether all sessions ended because the way to the database was cut, and how long their partitions are reserved then';
