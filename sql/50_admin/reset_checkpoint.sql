-- reset_checkpoint(hub, partition, event_offset, sequence)
-- Purpose: an administrator decides where a partition is read on: behind an event, or, without an
--          offset, where the hub's on_new_log says. Begins a new generation of the partition, keeps
--          the old checkpoint in checkpoint_history, and gives the owner a fresh token, so that
--          nothing it still delivers from before is saved. Going back delivers events again; going
--          forward skips events, which are then lost to ThingWorx.
-- Parameters: hub, partition: names; event_offset: of the last event that counts as delivered, as
--             the hub wrote it, null for none; sequence: its sequence number, needed with an offset.
-- Returns: nothing.   Errors: 22023 unknown partition, or an offset without its sequence number.
-- Calls: lock_cluster, grant_partitions, fence_free, add_event.
-- Tables: partition, checkpoint (update), checkpoint_history (insert).
CREATE OR REPLACE FUNCTION holdfast.reset_checkpoint(hub text, partition text, event_offset text DEFAULT NULL,
                                                     sequence bigint DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_p   partition;
    v_old checkpoint;
BEGIN
    IF ($3 IS NULL) <> ($4 IS NULL) OR $3 = '' OR $4 < 0 THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = 'An offset and its sequence number belong together',
            DETAIL = format('offset %L, sequence number %L.', $3, $4),
            HINT = 'Give both, as the views partitions or dead_letters show them, or neither to begin anew.';
    END IF;
    PERFORM lock_cluster();
    SELECT p.* INTO v_p FROM partition p WHERE p.hub = $1 AND p.partition = $2 AND p.retired_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('There is no partition %L of hub %L', $2, $1),
            DETAIL = 'Nothing was changed.', HINT = 'See the view partitions.';
    END IF;
    PERFORM set_config('synchronous_commit', 'on', true);
    SELECT c.* INTO v_old FROM checkpoint c WHERE c.partition_id = v_p.partition_id FOR NO KEY UPDATE;
    INSERT INTO checkpoint_history (partition_id, generation, token, sequence, enqueued_ms, saved_at, event_offset)
    VALUES (v_old.partition_id, v_old.generation, v_old.token, v_old.sequence, v_old.enqueued_ms, v_old.saved_at,
            v_old.event_offset);
    UPDATE checkpoint c
       SET generation = c.generation + 1, event_offset = $3, sequence = $4, enqueued_ms = NULL,
           saved_at = CASE WHEN $3 IS NOT NULL THEN clock_timestamp() END
     WHERE c.partition_id = v_p.partition_id;
    UPDATE partition p
       SET generation = v_old.generation + 1, reserved_node = NULL, reserved_session_id = NULL
     WHERE p.partition_id = v_p.partition_id;
    IF v_p.owner_session_id IS NOT NULL THEN
        PERFORM grant_partitions(ARRAY[v_p.partition_id], ARRAY[v_p.owner_session_id], 'generation');
    ELSE
        PERFORM fence_free();
    END IF;
    PERFORM add_event('checkpoint', NULL, format('partition %s of hub %s', $2, $1), 'An administrator has reset a checkpoint',
                      format('From offset %s, sequence number %s, to %s, by %s; the old one is kept in checkpoint_history.',
                             coalesce(v_old.event_offset, 'none'), coalesce(v_old.sequence::text, 'none'),
                             coalesce('offset ' || $3, 'where on_new_log says'), session_user), NULL);
END
$$;
COMMENT ON FUNCTION holdfast.reset_checkpoint(text, text, text, bigint) IS
    'An administrator decides where a partition is read on; the old checkpoint is kept';
