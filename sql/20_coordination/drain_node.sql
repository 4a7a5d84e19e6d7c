-- drain_node(node)
-- Purpose: the node shall own nothing: its partitions are moved away, drained and checkpointed, and
--          it gets no others until undrain_node(). It goes on as a member, and may still lead.
-- Parameters: node: name of a node that has ever joined.
-- Returns: nothing; the leader acts on it within a second (see the views nodes and plan).
-- Errors: 22023 no such node.   Calls: require_node, bump, add_event.   Tables: node (update).
CREATE OR REPLACE FUNCTION holdfast.drain_node(node text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM require_node(node);
    UPDATE node n SET drained_at = clock_timestamp() WHERE n.name = drain_node.node AND n.drained_at IS NULL;
    IF FOUND THEN
        PERFORM bump('wishes');
        PERFORM add_event('node', node, NULL, 'An administrator drains the node');
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.drain_node(text) IS 'Moves all partitions away from a node and gives it no others';
