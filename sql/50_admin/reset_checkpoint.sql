-- reset_checkpoint(hub, partition, event_offset, sequence, start_at, allow_skip)
-- Purpose: an administrator decides where a partition is read on: behind an event (offset and sequence
--          number), or at start_at, or, with neither, where the hub's on_new_log says. Begins a new
--          generation of the partition, keeps the old checkpoint in checkpoint_history, and gives the
--          owner a fresh token, so that nothing it still delivers from before is saved. Going back
--          delivers events again; going forward skips events, which are then lost to ThingWorx.
-- Parameters: hub, partition: names; event_offset: of the last event that counts as delivered, as
--             the hub wrote it; sequence: its sequence number, needed with an offset; start_at:
--             earliest, latest (what the hub takes from now on, by the clock of the database), or a
--             time, compared with the times at which the hub took its events; allow_skip: true, or whatever is not surely behind the
--             checkpoint is refused.
-- Returns: nothing.
-- Errors: 22023 unknown partition, a position that has no meaning or lies beyond the hub's newest
--         event; 55000 events would be skipped.
-- Calls: lock_cluster, require_partition, grant_partitions, fence_free, add_event.
-- Tables: partition, checkpoint (update), checkpoint_history (insert), partition_head (read, update), hub (read).
CREATE OR REPLACE FUNCTION holdfast.reset_checkpoint(hub text, partition text, event_offset text DEFAULT NULL,
                                                     sequence bigint DEFAULT NULL, start_at text DEFAULT NULL,
                                                     allow_skip boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_p    partition;
    v_old  checkpoint;
    v_head partition_head;
    v_to   text := 'where on_new_log says';
    v_ms   bigint;
    v_back boolean;
BEGIN
    PERFORM lock_cluster();
    SELECT p.* INTO v_p FROM partition p WHERE p.partition_id = require_partition($1, $2);
    SELECT c.* INTO v_old FROM checkpoint c WHERE c.partition_id = v_p.partition_id FOR NO KEY UPDATE;
    SELECT h.* INTO v_head FROM partition_head h WHERE h.partition_id = v_p.partition_id;
    IF ($3 IS NULL) <> ($4 IS NULL) OR $3 = '' OR $4 < 0 OR ($3 IS NOT NULL AND $5 IS NOT NULL) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = 'An offset and its sequence number belong together',
            DETAIL = format('offset %L, sequence number %L, start_at %L.', $3, $4, $5),
            HINT = 'Give both, as the views partitions or dead_letters show them, or start_at, or neither to begin anew.';
    ELSIF $4 > v_head.last_sequence THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('Sequence number %s is beyond the newest event of the partition', $4),
            DETAIL = format('The newest that its owner has told of is %s, at %s.', v_head.last_sequence, v_head.reported_at),
            HINT = 'Nothing would ever be saved below it. Give the numbers of an event that the hub has, or start_at => ''latest''.';
    END IF;
    BEGIN
        v_ms := CASE WHEN $5 = 'earliest' THEN 0
                     -- A time, not the word: whoever reads first, what comes from now on is not missed.
                     WHEN $5 = 'latest'
                     THEN greatest(v_head.last_enqueued_ms + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
                     WHEN $5 ~ '^[0-9]' THEN (extract(epoch FROM $5::timestamptz) * 1000)::bigint END;
    EXCEPTION WHEN data_exception THEN
        v_ms := NULL;
    END;
    IF $5 IS NOT NULL AND (v_ms IS NULL OR v_ms < 0) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('start_at %L has no meaning', $5),
            DETAIL = 'It is earliest, latest, or a time since 1970 such as 2026-11-21 08:00+00.',
            HINT = 'The view partitions shows the time of each checkpoint as enqueued_at.';
    END IF;
    v_back := CASE WHEN $3 IS NOT NULL THEN $4 <= v_old.sequence
                   WHEN v_ms IS NOT NULL THEN v_ms = 0 OR v_ms <= v_old.enqueued_ms
                   ELSE (SELECT h.on_new_log = 'earliest' FROM hub h WHERE h.name = $1) END;
    IF v_back IS NOT TRUE AND $6 IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = 'Events that were not delivered would be skipped',
            DETAIL = format('The checkpoint is at sequence number %s, %s; events behind it would never reach ThingWorx.',
                            coalesce(v_old.sequence::text, 'none'),
                            coalesce(to_timestamp(nullif(v_old.enqueued_ms, 0) / 1000.0)::text, 'no time')),
            HINT = 'If they may be lost, say so with allow_skip => true.';
    END IF;
    IF $3 IS NOT NULL THEN
        v_to := format('offset %s, sequence number %s', $3, $4);
    ELSIF v_ms = 0 THEN
        v_to := 'the start of the log';
    ELSIF v_ms IS NOT NULL THEN
        v_to := format('the first event from %s on', to_timestamp(v_ms / 1000.0));
    END IF;
    INSERT INTO checkpoint_history (partition_id, generation, token, sequence, enqueued_ms, saved_at, event_offset)
    VALUES (v_old.partition_id, v_old.generation, v_old.token, v_old.sequence, v_old.enqueued_ms, v_old.saved_at,
            v_old.event_offset);
    UPDATE checkpoint c
       SET generation = c.generation + 1, event_offset = $3, sequence = $4, enqueued_ms = v_ms,
           saved_at = CASE WHEN $3 IS NOT NULL THEN clock_timestamp() END
     WHERE c.partition_id = v_p.partition_id;
    UPDATE partition_head h SET behind_since = NULL WHERE h.partition_id = v_p.partition_id;
    UPDATE partition p
       SET generation = v_old.generation + 1, reserved_node = NULL, reserved_session_id = NULL
     WHERE p.partition_id = v_p.partition_id;
    IF v_p.owner_session_id IS NOT NULL THEN
        PERFORM grant_partitions(ARRAY[v_p.partition_id], ARRAY[v_p.owner_session_id], 'generation');
    ELSE
        PERFORM fence_free();
    END IF;
    PERFORM add_event('checkpoint', NULL, format('partition %s/%s', $1, $2), 'An administrator has reset the checkpoint',
                      format('From offset %s, sequence number %s, to %s, by %s; the old one is kept in checkpoint_history.',
                             coalesce(v_old.event_offset, 'none'), coalesce(v_old.sequence::text, 'none'),
                             v_to, session_user));
END
$$;
COMMENT ON FUNCTION holdfast.reset_checkpoint(text, text, text, bigint, text, boolean) IS
    'An administrator decides where a partition is read on: behind an event, at a time, at the start or the end; the old checkpoint is kept';
