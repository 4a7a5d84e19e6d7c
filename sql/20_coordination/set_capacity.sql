-- set_capacity(node, capacity)
-- Purpose: sets a node's share of partitions, relative to other nodes, over what it says itself.
-- Parameters: node: name of a node that has ever joined; capacity: 0 to 1000000; 0: no partitions;
--             null: what the node says.
-- Returns: nothing; the leader acts on it within a second.
-- Errors: 22023 no such node, or out of range.   Calls: require_node, bump, add_event.   Tables: node (update).
CREATE OR REPLACE FUNCTION holdfast.set_capacity(node text, capacity int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM require_node(node);
    IF set_capacity.capacity NOT BETWEEN 0 AND 1000000 THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('Capacity %s is out of range', capacity),
            DETAIL = 'A capacity is a share relative to other nodes, from 0 to 1000000.',
            HINT = 'Use null for what the node says itself.';
    END IF;
    UPDATE node n
       SET capacity_set = set_capacity.capacity
     WHERE n.name = set_capacity.node AND n.capacity_set IS DISTINCT FROM set_capacity.capacity;
    IF FOUND THEN
        PERFORM bump('wishes');
        PERFORM add_event('node', node, NULL, 'An administrator set the node''s capacity',
                          coalesce('To ' || capacity::text, 'Back to what the node says') || '.');
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.set_capacity(text, int) IS 'Sets a node''s share of partitions';
