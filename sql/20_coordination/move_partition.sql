-- move_partition(hub, partition, to_node)
-- Purpose: asks for a planned move of one partition. The balance is kept: another partition may come
--          back in exchange, and a later plan may move this one again.
-- Parameters: hub, partition: as in the view partitions; to_node: a live node.
-- Returns: nothing; the leader acts on it within a second (see the views partitions and events).
-- Errors: 22023 no such partition or node, or the node is not live.
-- Calls: require_node, bump.   Tables: partition, session (read), move_wish (upsert).
CREATE OR REPLACE FUNCTION holdfast.move_partition(hub text, partition text, to_node text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_id int;
BEGIN
    PERFORM require_node(to_node);
    SELECT p.partition_id INTO v_id
      FROM partition p
     WHERE p.hub = $1 AND p.partition = $2 AND p.retired_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('There is no partition "%s" of hub "%s"', $2, $1),
            DETAIL = 'The leader registers partitions when it has read them from the hub.',
            HINT = 'SELECT hub, partition FROM holdfast.partitions shows them.';
    ELSIF NOT EXISTS (SELECT FROM session s WHERE s.node = $3 AND s.ended_at IS NULL) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('Node "%s" is not live', $3),
            DETAIL = 'A partition can only be moved to a node that has joined.',
            HINT = 'SELECT node, state FROM holdfast.nodes shows which nodes are live.';
    END IF;
    INSERT INTO move_wish AS w (partition_id, node) VALUES (v_id, $3)
        ON CONFLICT (partition_id) DO UPDATE SET node = excluded.node, wished_at = clock_timestamp();
    PERFORM bump('wishes');
END
$$;
COMMENT ON FUNCTION holdfast.move_partition(text, text, text) IS 'Asks for a planned move of one partition';
