-- fence_free()
-- Purpose: takes the token from partitions that have no owner and are reserved for nobody, in the
--          partition and in its checkpoint: what a dead owner still sends is then refused.
-- Returns: nothing.   Calls: nothing.   Tables: partition, checkpoint (update).   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.fence_free() RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_ids int[];
BEGIN
    SELECT array_agg(p.partition_id) INTO v_ids
      FROM partition p
     WHERE p.owner_session_id IS NULL AND p.reserved_node IS NULL AND p.token IS NOT NULL;
    IF v_ids IS NULL THEN
        RETURN;
    END IF;
    PERFORM FROM checkpoint c WHERE c.partition_id = ANY (v_ids) ORDER BY c.partition_id FOR NO KEY UPDATE;
    UPDATE checkpoint c SET token = NULL WHERE c.partition_id = ANY (v_ids);
    UPDATE partition p SET token = NULL WHERE p.partition_id = ANY (v_ids);
END
$$;
COMMENT ON FUNCTION holdfast.fence_free() IS 'Internal: takes the tokens of partitions that have no owner';
