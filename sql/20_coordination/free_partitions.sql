-- free_partitions(partition_ids, reason)
-- Purpose: takes partitions from their owners and leaves them without one. Their tokens go too, so
--          that nothing the old owner still sends is accepted.
-- Returns: nothing.   Calls: close_ownerships, fence_free, touch_sessions.
-- Tables: partition (update).   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.free_partitions(partition_ids int[], reason text) RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_touched int[];
BEGIN
    SELECT array_agg(DISTINCT p.owner_session_id) INTO v_touched
      FROM partition p
     WHERE p.partition_id = ANY (free_partitions.partition_ids);
    UPDATE partition p
       SET state = 'free', owner_session_id = NULL, successor_session_id = NULL,
           move_reason = NULL, move_deadline = NULL, reserved_node = NULL, reserved_session_id = NULL,
           free_since = coalesce(o.ended, p.free_since)
      FROM (SELECT i.id, c.ended
              FROM unnest(free_partitions.partition_ids) AS i (id)
              LEFT JOIN close_ownerships(free_partitions.partition_ids, free_partitions.reason) c
                     ON c.partition_id = i.id) o
     WHERE p.partition_id = o.id;
    PERFORM fence_free();
    PERFORM touch_sessions(v_touched);
END
$$;
COMMENT ON FUNCTION holdfast.free_partitions(int[], text) IS 'Internal: leaves partitions without an owner and without a token';
