-- undrain_node(node)
-- Purpose: ends drain_node(): the node gets its share of partitions again.
-- Parameters: node: name of a node that has ever joined.
-- Returns: nothing; the leader acts on it within a second.
-- Errors: 22023 no such node.   Calls: require_node, bump, add_event.   Tables: node (update).
CREATE OR REPLACE FUNCTION holdfast.undrain_node(node text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM require_node(node);
    UPDATE node n SET drained_at = NULL WHERE n.name = undrain_node.node AND n.drained_at IS NOT NULL;
    IF FOUND THEN
        PERFORM bump('wishes');
        PERFORM add_event('node', node, NULL, 'An administrator lets the node work again');
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.undrain_node(text) IS 'Ends drain_node()';
