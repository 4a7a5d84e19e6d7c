-- carry_out_wishes()
-- Purpose: begins the moves that administrators asked for with move_partition(). A wish whose node
--          is not live, or whose partition is paused, is dropped, and the event log says so.
-- Returns: nothing.   Calls: begin_moves, grant_partitions, add_event.
-- Tables: move_wish (delete), partition, pause, session (read).   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.carry_out_wishes() RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_wish record;
BEGIN
    FOR v_wish IN
        -- Without those that an administrator's open transaction is about to change: it raises the
        -- version when it commits, and until then nobody shall wait for it under the lock on cluster.
        WITH wishes AS (DELETE FROM move_wish m USING (SELECT partition_id FROM move_wish FOR UPDATE SKIP LOCKED) k
                         WHERE m.partition_id = k.partition_id
                        RETURNING m.partition_id, m.node, m.wished_by)
        SELECT w.partition_id, w.node, p.hub || '/' || p.partition AS name, p.owner_session_id,
               p.retired_at IS NOT NULL AS retired, s.session_id,
               format('administrator %s asked for it', w.wished_by) AS reason,
               EXISTS (SELECT FROM pause a WHERE a.hub = p.hub AND a.partition IN ('', p.partition)) AS paused
          FROM wishes w
          JOIN partition p ON p.partition_id = w.partition_id
          LEFT JOIN session s ON s.node = w.node AND s.ended_at IS NULL
         ORDER BY w.partition_id
    LOOP
        IF v_wish.session_id IS NULL OR v_wish.retired OR v_wish.paused THEN
            PERFORM add_event('move', v_wish.node, format('partition %s', v_wish.name),
                              'A move that was asked for was not made',
                              CASE WHEN v_wish.retired THEN 'The hub no longer has the partition.'
                                   WHEN v_wish.paused THEN 'The partition is paused; a pin counts once it is resumed.'
                                   ELSE 'The node is not live.' END,
                              'Look at the view nodes, then call move_partition() again.');
        ELSIF v_wish.owner_session_id IS NULL THEN
            PERFORM grant_partitions(ARRAY[v_wish.partition_id], ARRAY[v_wish.session_id], 'moved');
        ELSIF v_wish.owner_session_id <> v_wish.session_id THEN
            PERFORM begin_moves(ARRAY[v_wish.partition_id], ARRAY[v_wish.session_id], v_wish.reason);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION holdfast.carry_out_wishes() IS 'Internal: begins the moves that administrators asked for';
