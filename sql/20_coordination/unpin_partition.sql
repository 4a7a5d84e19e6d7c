-- unpin_partition(hub, partition)
-- Purpose: ends the pin of a partition: the plan may move it again. Without a pin it does nothing.
-- Parameters: hub, partition: as in the view partitions.
-- Returns: nothing; the leader plans within a second.   Errors: 22023 no such partition.
-- Calls: require_partition, bump, add_event.   Tables: pin (delete).
CREATE OR REPLACE FUNCTION holdfast.unpin_partition(hub text, partition text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_node text;
BEGIN
    DELETE FROM pin i WHERE i.partition_id = require_partition($1, $2) RETURNING i.node INTO v_node;
    IF FOUND THEN
        PERFORM bump('wishes');
        PERFORM add_event('move', v_node, format('partition %s/%s', $1, $2),
                          'An administrator ends the pin of the partition', format('By %s.', session_user));
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.unpin_partition(text, text) IS 'Ends the pin of a partition; the plan may move it again';
