-- release(session_key, partition_id, token)
-- Purpose: the end of a planned move: the owner has stopped, drained and checkpointed. The successor
--          gets the partition at once under a fresh token; if it has gone, another session does; if
--          the hub is disabled, nobody.
-- Parameters: session_key: the caller's; partition_id; token: of the caller's grant.
-- Returns: false when nothing was changed: the grant is not the caller's any more, or the move has
--          been called off; then read assignment() again.
-- Errors: HF002 the session has ended.
-- Calls: session_of, lock_cluster, grant_partitions, free_partitions, place_free.
-- Tables: partition, session (read).
CREATE OR REPLACE FUNCTION holdfast.release(session_key uuid, partition_id int, token bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    v_id        int;
    v_partition partition;
BEGIN
    PERFORM lock_cluster();
    v_id := session_of(session_key);
    SELECT p.* INTO v_partition
      FROM partition p
     WHERE p.partition_id = $2 AND p.owner_session_id = v_id AND p.token = $3 AND p.state = 'releasing';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM session s
                WHERE s.session_id = v_partition.successor_session_id AND s.ended_at IS NULL) THEN
        PERFORM grant_partitions(ARRAY[$2], ARRAY[v_partition.successor_session_id], 'moved');
    ELSE
        PERFORM free_partitions(ARRAY[$2], 'moved');
        PERFORM place_free();
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION holdfast.release(uuid, int, bigint) IS 'Hands a partition over to its successor, drained and checkpointed';
