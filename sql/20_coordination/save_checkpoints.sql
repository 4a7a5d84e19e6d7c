-- save_checkpoints(session_key, partition_ids, tokens, offsets, sequences, enqueued_ms)
-- Purpose: saves how far partitions have been delivered, for all partitions of a node at once. The
--          fence is the token in the row itself: a take-over replaced it in its own transaction.
--          Commits asynchronously: a crash of the database costs duplicates, never data.
-- Parameters: arrays of equal length, a partition at most once: number, token of the grant, offset,
--             sequence number and enqueued time (milliseconds since 1970) of the last delivered event.
-- Returns: per partition: saved; stale_token: stop this partition; not_monotone: the row is further
--          already (an error: the sequence number went back), nothing was changed.
-- Errors: HF002 the session has ended; 22023 arrays of different length, doubles or nulls.
-- Calls: session_of.   Tables: checkpoint (update).
--
-- The planner settings leave only plans that visit the rows in key order (an index scan of the
-- whole table, or index look-ups driven by the sorted input): two writers then never deadlock.
-- They also make every plan look so dear that it would be compiled first, for 100 ms: hence jit.
CREATE OR REPLACE FUNCTION holdfast.save_checkpoints(session_key uuid, partition_ids int[], tokens bigint[],
                                                     offsets text[], sequences bigint[], enqueued_ms bigint[])
RETURNS TABLE (partition_id int, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_saved int[];
BEGIN
    PERFORM session_of(session_key);
    IF (cardinality($2) = ALL (ARRAY[cardinality($3), cardinality($4), cardinality($5), cardinality($6)])) IS NOT TRUE
       OR array_position($2, NULL) IS NOT NULL OR array_position($3, NULL) IS NOT NULL
       OR array_position($4, NULL) IS NOT NULL OR array_position($5, NULL) IS NOT NULL
       OR (SELECT count(DISTINCT i.id) FROM unnest($2) AS i (id)) <> cardinality($2) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = 'save_checkpoints() was called with arrays that do not fit together',
            DETAIL = 'All five must be of one length, without nulls, and name each partition once.',
            HINT = 'This is a fault in the node; please report it with its log.';
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true);

    WITH input AS MATERIALIZED (
        SELECT i.*
          FROM unnest($2, $3, $4, $5, $6) AS i (partition_id, token, event_offset, sequence, enqueued_ms)
         ORDER BY i.partition_id),
    saved AS (
        UPDATE checkpoint c
           SET event_offset = i.event_offset, sequence = i.sequence, enqueued_ms = i.enqueued_ms,
               saved_at = clock_timestamp()
          FROM input i
         WHERE c.partition_id = i.partition_id AND c.token = i.token
           AND (c.sequence IS NULL OR c.sequence <= i.sequence)
        RETURNING c.partition_id)
    SELECT coalesce(array_agg(s.partition_id), '{}') INTO v_saved FROM saved s;

    -- A statement of its own, to see what a take-over committed while the first one waited for it.
    RETURN QUERY
        SELECT i.partition_id,
               CASE WHEN i.partition_id = ANY (v_saved) THEN 'saved'
                    WHEN EXISTS (SELECT FROM checkpoint c
                                  WHERE c.partition_id = i.partition_id AND c.token = i.token)
                    THEN 'not_monotone' ELSE 'stale_token' END
          FROM unnest($2, $3) AS i (partition_id, token);
END
$$;
COMMENT ON FUNCTION holdfast.save_checkpoints(uuid, int[], bigint[], text[], bigint[], bigint[]) IS
    'Saves how far partitions have been delivered: fenced by token, monotone by sequence number';
