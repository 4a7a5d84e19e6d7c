-- sweep_dead(session_id)
-- Purpose: ends all sessions that are provably dead, opens the next terms of their leases and places
--          their partitions. Looks first whether there is anything to do, and only then queues for
--          the lock on cluster; then looks again.
-- Parameters: session_id: of the caller, who gets the leases (it has just shown that it lives).
-- Returns: whether there was anything to do.
-- Calls: incarnation_current, dead_sessions, lock_cluster, terminate_backends, end_sessions, open_terms, place_free.
-- Tables: session, lease, partition, hub, pause, cluster (read).   Internal; never on a lease connection.
CREATE OR REPLACE FUNCTION holdfast.sweep_dead(session_id int) RETURNS boolean
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_dead int[];
BEGIN
    IF incarnation_current() IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'HF002',
            MESSAGE = 'The database server has begun a new life since this session joined',
            DETAIL = 'All leases went with its restart, crash or promotion.',
            HINT = 'Join again with this session''s key: what the node owned is reserved for it for one TTL.';
    END IF;
    v_dead := dead_sessions();
    IF v_dead = '{}'
       AND NOT EXISTS (SELECT FROM lease l WHERE l.session_id IS NULL)
       AND NOT EXISTS (SELECT
                         FROM partition p
                         JOIN hub h ON h.name = p.hub AND h.enabled
                        CROSS JOIN cluster c
                        WHERE p.owner_session_id IS NULL AND p.retired_at IS NULL
                          AND NOT EXISTS (SELECT FROM pause a
                                           WHERE a.hub = p.hub AND a.partition IN ('', p.partition))
                          AND (p.reserved_node IS NULL OR c.reserved_until <= clock_timestamp())
                          AND EXISTS (SELECT FROM session s
                                        JOIN node n ON n.name = s.node
                                       WHERE s.ended_at IS NULL AND n.drained_at IS NULL)) THEN
        RETURN false;
    END IF;

    PERFORM lock_cluster();
    v_dead := dead_sessions();
    PERFORM terminate_backends(v_dead);
    PERFORM end_sessions(v_dead, 'died');
    PERFORM open_terms(sweep_dead.session_id);
    PERFORM place_free();
    IF v_dead <> '{}' THEN
        PERFORM pg_notify('holdfast', 'members');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION holdfast.sweep_dead(int) IS 'Internal: ends all dead sessions and places what they owned';
