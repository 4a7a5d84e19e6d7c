-- keep_dead_letters(session_key, partition_ids, tokens, devices, ...)
-- Purpose: keeps events and values that ThingWorx refuses, fenced by the token of the grant.
--          Idempotent by (partition, generation, sequence, property). Commits asynchronously: a crash
--          that forgets a dead letter forgets the checkpoint too that passes its event.
-- Parameters: arrays of one length. properties: '' keeps the whole event, whose body is the payload;
--             else the payload is the row of that value as JSON text. reasons: unbound, unparsable,
--             refused, too_large. contexts: JSON objects with what came with the event besides.
-- Returns: how many of the rows given are in the table now; the others came under a stale token and
--          belong to the new owner; raises HF002, 22023.
-- Calls: session_of.
-- Tables: partition (lock), session (read), dead_letter (insert).
CREATE OR REPLACE FUNCTION holdfast.keep_dead_letters(
    session_key uuid, partition_ids int[], tokens bigint[], devices text[], modules text[],
    offsets text[], sequences bigint[], enqueued_ms bigint[], reasons text[], details text[],
    properties text[], payloads bytea[], attempts int[], contexts jsonb[])
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    me constant int := holdfast.session_of(session_key);
    my_node text;
    n constant int := cardinality(partition_ids);
    kept bigint;
BEGIN
    IF n IS NULL OR EXISTS (
        SELECT FROM unnest(ARRAY[cardinality(tokens), cardinality(devices), cardinality(modules),
                                 cardinality(offsets), cardinality(sequences),
                                 cardinality(keep_dead_letters.enqueued_ms), cardinality(reasons),
                                 cardinality(details), cardinality(properties),
                                 cardinality(payloads), cardinality(keep_dead_letters.attempts),
                                 cardinality(contexts)])
                    AS given (length)
         WHERE given.length IS DISTINCT FROM n) THEN
        RAISE EXCEPTION 'the arrays differ in length'
            USING ERRCODE = '22023', DETAIL = format('There are %s partition ids.', n),
                  HINT = 'Give every array one element per dead letter.';
    END IF;
    SELECT s.node INTO my_node FROM holdfast.session s WHERE s.session_id = me;

    -- The checkpoint that passes the event comes behind this in the WAL: neither can be lost alone.
    PERFORM set_config('synchronous_commit', 'off', true);
    -- The fence: a take-over must wait until we commit, or we see that it has happened.
    PERFORM FROM holdfast.partition p
      WHERE p.partition_id = ANY (partition_ids)
      ORDER BY p.partition_id
        FOR SHARE;
    WITH given AS (
        SELECT w.*, p.generation, p.hub, p.partition
          FROM unnest(partition_ids, tokens, devices, modules, offsets, sequences,
                      keep_dead_letters.enqueued_ms, reasons, details, properties, payloads,
                      keep_dead_letters.attempts, contexts)
               AS w (partition_id, token, device, module, event_offset, sequence, enqueued_ms,
                     reason, detail, property, payload, attempts, context)
          JOIN holdfast.partition p ON p.partition_id = w.partition_id AND p.token = w.token
           AND p.owner_session_id = me
    ), added AS (
        INSERT INTO holdfast.dead_letter
            (partition_id, generation, sequence, property, hub, partition, device, module,
             event_offset, enqueued_ms, reason, detail, payload, attempts, node, token, context)
        SELECT g.partition_id, g.generation, g.sequence, coalesce(g.property, ''), g.hub,
               g.partition, coalesce(g.device, ''), coalesce(g.module, ''), g.event_offset,
               g.enqueued_ms, g.reason, coalesce(g.detail, ''), coalesce(g.payload, ''),
               coalesce(g.attempts, 0), my_node, g.token, coalesce(g.context, '{}')
          FROM given g
         ORDER BY g.partition_id, g.sequence, coalesce(g.property, '') COLLATE "C"
        ON CONFLICT (partition_id, generation, sequence, property) DO NOTHING
    )
    SELECT count(*) INTO kept FROM given;
    RETURN kept;
END
$$;
COMMENT ON FUNCTION holdfast.keep_dead_letters(uuid, int[], bigint[], text[], text[], text[], bigint[], bigint[], text[], text[], text[], bytea[], int[], jsonb[]) IS
    'For nodes: keeps events and values that ThingWorx refuses, fenced by the token of the grant';
