-- abandon_offset(session_key, partition_id, token, reason)
-- Purpose: the hub says that the offset of the checkpoint does not exist in the partition's log, and
--          the hub's policy (on_invalid_offset) says to go on elsewhere: begins a new generation of
--          this one partition with an empty checkpoint. The old one is kept in checkpoint_history.
-- Parameters: session_key: the caller's; partition_id; token: of the caller's grant, which it keeps;
--             reason: what the hub said.
-- Returns: false when nothing was changed: the grant is stale, or there is no checkpoint to abandon.
-- Errors: HF002 the session has ended; 22023 the hub's policy is stop.
-- Calls: session_of, lock_cluster, add_event.
-- Tables: hub (read), partition, checkpoint (update), checkpoint_history (insert), partition_head (delete).
CREATE OR REPLACE FUNCTION holdfast.abandon_offset(session_key uuid, partition_id int, token bigint, reason text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_id  int;
    v_p   partition;
    v_hub hub;
    v_old checkpoint;
BEGIN
    PERFORM lock_cluster();
    v_id := session_of($1);
    SELECT p.* INTO v_p FROM partition p
     WHERE p.partition_id = $2 AND p.owner_session_id = v_id AND p.token = $3;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT h.* INTO v_hub FROM hub h WHERE h.name = v_p.hub;
    IF v_hub.on_invalid_offset = 'stop' THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('The checkpoint of partition %s of hub "%s" may not be abandoned', v_p.partition, v_p.hub),
            DETAIL = 'on_invalid_offset of the hub is stop.',
            HINT = 'Read on with set_hub(..., on_invalid_offset => ''earliest'') or ''latest''.';
    END IF;
    SELECT c.* INTO v_old FROM checkpoint c WHERE c.partition_id = $2 AND c.token = $3 FOR NO KEY UPDATE;
    IF NOT FOUND OR v_old.event_offset IS NULL THEN
        RETURN false;
    END IF;
    PERFORM set_config('synchronous_commit', 'on', true);
    INSERT INTO checkpoint_history (partition_id, generation, token, sequence, enqueued_ms, saved_at, event_offset)
    VALUES (v_old.partition_id, v_old.generation, v_old.token, v_old.sequence, v_old.enqueued_ms, v_old.saved_at,
            v_old.event_offset);
    UPDATE checkpoint c
       SET generation = c.generation + 1, sequence = NULL, enqueued_ms = NULL, event_offset = NULL, saved_at = NULL
     WHERE c.partition_id = $2;
    UPDATE partition p SET generation = v_old.generation + 1 WHERE p.partition_id = $2;
    DELETE FROM partition_head h WHERE h.partition_id = $2;
    PERFORM add_event('checkpoint', s.node, format('partition %s of hub %s', v_p.partition, v_p.hub),
                      format('The offset of the checkpoint does not exist in the log: reading on from %s', v_hub.on_invalid_offset),
                      format('It was offset %s, sequence number %s, kept in checkpoint_history. %s',
                             v_old.event_offset, v_old.sequence, $4),
                      'If the hub was not re-created or failed over, look at its connection string.')
       FROM session s WHERE s.session_id = v_id;
    RETURN true;
END
$$;
COMMENT ON FUNCTION holdfast.abandon_offset(uuid, int, bigint, text) IS
    'The checkpoint''s offset does not exist in the log: goes on as the hub''s policy says, keeps the old checkpoint';
