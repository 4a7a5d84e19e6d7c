-- begin_moves(partition_ids, session_ids, reason)
-- Purpose: asks the owners of partitions to release them: stop, drain, checkpoint, release().
-- Parameters: partition_ids, session_ids: pairs of a partition and its successor (null: nobody);
--             reason: for people.
-- Returns: number of moves begun.   Calls: touch_sessions, add_event, setting_ms, ms.
-- Tables: partition (update), session (read).   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.begin_moves(partition_ids int[], session_ids int[], reason text) RETURNS int
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_deadline constant timestamptz := clock_timestamp() + ms(setting_ms('move_deadline_ms'));
    v_owners   int[];
    v_count    int;
BEGIN
    IF cardinality(coalesce(partition_ids, '{}')) = 0 THEN
        RETURN 0;
    END IF;
    WITH asked AS (
        UPDATE partition p
           SET state = 'releasing', successor_session_id = w.session_id, move_deadline = v_deadline,
               move_reason = reason, move_again_at = NULL
          FROM unnest(partition_ids, session_ids) AS w (partition_id, session_id)
         WHERE p.partition_id = w.partition_id AND p.owner_session_id IS NOT NULL
        RETURNING p.owner_session_id)
    SELECT array_agg(DISTINCT a.owner_session_id), count(*) INTO v_owners, v_count FROM asked a;
    PERFORM touch_sessions(v_owners);
    PERFORM add_event('move', NULL, NULL, 'Planned moves began',
                      CASE WHEN v_count = 1
                           THEN (SELECT format('Partition %s/%s of node %s: %s.', p.hub, p.partition, s.node, reason)
                                   FROM partition p
                                   JOIN session s ON s.session_id = p.owner_session_id
                                  WHERE p.partition_id = ANY (partition_ids) AND p.state = 'releasing' LIMIT 1)
                           ELSE format('%s partitions of %s nodes: %s.', v_count, cardinality(v_owners), reason) END);
    RETURN v_count;
END
$$;
COMMENT ON FUNCTION holdfast.begin_moves(int[], int[], text) IS 'Internal: asks owners to release partitions';
