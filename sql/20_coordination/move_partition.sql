-- move_partition(hub, partition, to_node, pin)
-- Purpose: asks for a planned move of one partition. Without a pin the balance is kept: another
--          partition may come back in exchange, and a later plan may move this one again. With a pin
--          the plan leaves it with that node for as long as the node is live, not drained, and serves
--          the hub, and brings it back to the node otherwise. The last call counts: a move without a
--          pin ends the pin.
-- Parameters: hub, partition: as in the view partitions; to_node: a live node; pin: hold it there.
-- Returns: nothing; the leader acts on it within a second (see the views partitions and events).
-- Errors: 22023 no such partition or node, or the node is not live.
-- Calls: require_node, require_partition, bump, add_event.
-- Tables: session (read), move_wish, pin (upsert, delete).
CREATE OR REPLACE FUNCTION holdfast.move_partition(hub text, partition text, to_node text, pin boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_id int;
BEGIN
    PERFORM require_node(to_node);
    v_id := require_partition($1, $2);
    IF NOT EXISTS (SELECT FROM session s WHERE s.node = $3 AND s.ended_at IS NULL) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('Node "%s" is not live', $3),
            DETAIL = 'A partition can only be moved to a node that has joined.',
            HINT = 'SELECT node, state FROM holdfast.nodes shows which nodes are live.';
    END IF;
    IF $4 THEN
        INSERT INTO pin AS i (partition_id, node, pinned_by) VALUES (v_id, $3, session_user)
            ON CONFLICT (partition_id) DO UPDATE
           SET node = excluded.node, pinned_by = excluded.pinned_by, pinned_at = clock_timestamp();
    ELSE
        DELETE FROM pin i WHERE i.partition_id = v_id;
    END IF;
    INSERT INTO move_wish AS w (partition_id, node, wished_by) VALUES (v_id, $3, session_user)
        ON CONFLICT (partition_id) DO UPDATE
       SET node = excluded.node, wished_by = excluded.wished_by, wished_at = clock_timestamp();
    PERFORM bump('wishes');
    PERFORM add_event('move', $3, format('partition %s/%s', $1, $2),
                      CASE WHEN $4 THEN 'An administrator pins the partition to the node'
                           ELSE 'An administrator moves the partition to the node' END,
                      format('By %s.', session_user));
END
$$;
COMMENT ON FUNCTION holdfast.move_partition(text, text, text, boolean) IS
    'Asks for a planned move of one partition; with pin => true the plan leaves it there';
