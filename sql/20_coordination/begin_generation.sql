-- begin_generation(hub, generation, partitions)
-- Purpose: moves every partition of a hub to a new generation: keeps its checkpoint in history, begins
--          an empty one, and gives its owner a fresh token. Partitions that are not in the new log are
--          retired.
-- Parameters: hub; generation: the new one; partitions: ids in the new log.
-- Returns: nothing.   Calls: free_partitions, grant_partitions.
-- Tables: partition, checkpoint (update), checkpoint_history (insert), partition_head (delete).
--          Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.begin_generation(hub text, generation int, partitions text[]) RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_all      int[];
    v_gone     int[];
    v_owned    int[];
    v_owners   int[];
BEGIN
    SELECT array_agg(p.partition_id),
           array_agg(p.partition_id) FILTER (WHERE p.partition <> ALL ($3) AND p.retired_at IS NULL),
           array_agg(p.partition_id) FILTER (WHERE p.partition = ANY ($3) AND p.owner_session_id IS NOT NULL),
           array_agg(p.owner_session_id) FILTER (WHERE p.partition = ANY ($3) AND p.owner_session_id IS NOT NULL)
      INTO v_all, v_gone, v_owned, v_owners
      FROM partition p WHERE p.hub = $1;
    PERFORM FROM checkpoint c WHERE c.partition_id = ANY (v_all) ORDER BY c.partition_id FOR NO KEY UPDATE;
    INSERT INTO checkpoint_history (partition_id, generation, token, sequence, enqueued_ms, saved_at, event_offset)
    SELECT c.partition_id, c.generation, c.token, c.sequence, c.enqueued_ms, c.saved_at, c.event_offset
      FROM checkpoint c WHERE c.partition_id = ANY (v_all);
    UPDATE checkpoint c
       SET generation = $2, sequence = NULL, enqueued_ms = NULL, event_offset = NULL, saved_at = NULL
     WHERE c.partition_id = ANY (v_all);
    DELETE FROM partition_head h WHERE h.partition_id = ANY (v_all);
    UPDATE partition p SET generation = $2 WHERE p.partition_id = ANY (v_all);
    UPDATE partition p SET retired_at = clock_timestamp() WHERE p.partition_id = ANY (v_gone);
    PERFORM free_partitions(coalesce(v_gone, '{}'), 'generation');
    -- A reservation is worth nothing: its token is for the old log.
    UPDATE partition p SET reserved_node = NULL, reserved_session_id = NULL
     WHERE p.partition_id = ANY (v_all) AND p.reserved_node IS NOT NULL;
    PERFORM grant_partitions(v_owned, v_owners, 'generation');
    PERFORM fence_free();
END
$$;
COMMENT ON FUNCTION holdfast.begin_generation(text, int, text[]) IS 'Internal: begins a new generation of a hub''s partitions';
