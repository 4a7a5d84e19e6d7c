-- call_off(partition_ids, reason)
-- Purpose: calls planned moves off: the owners resume reading, and no new move of these partitions is
--          planned until decline_pass_over_ms have passed.
-- Parameters: partition_ids: in state releasing; reason: for the event log.
-- Returns: nothing.   Calls: touch_sessions, add_event, setting_ms.
-- Tables: partition, cluster (update), session (read).   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.call_off(partition_ids int[], reason text) RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_again constant timestamptz := clock_timestamp() + ms(setting_ms('decline_pass_over_ms'));
    v_owners int[];
BEGIN
    PERFORM add_event('move', s.node, NULL, 'Planned moves were called off',
                      format('%s partitions stay with the node: %s.', count(*), reason),
                      'Look at the destination if a node cannot drain; moves are planned again later.')
       FROM partition p
       JOIN session s ON s.session_id = p.owner_session_id
      WHERE p.partition_id = ANY (partition_ids)
      GROUP BY s.node;
    WITH called_off AS (
        UPDATE partition p
           SET state = 'owned', successor_session_id = NULL, move_deadline = NULL, move_reason = NULL,
               move_again_at = v_again
         WHERE p.partition_id = ANY (partition_ids) AND p.state = 'releasing'
        RETURNING p.owner_session_id)
    SELECT array_agg(DISTINCT c.owner_session_id) INTO v_owners FROM called_off c;
    UPDATE cluster c SET rebalance_at = least(c.rebalance_at, v_again);
    PERFORM touch_sessions(v_owners);
END
$$;
COMMENT ON FUNCTION holdfast.call_off(int[], text) IS 'Internal: calls planned moves off';
