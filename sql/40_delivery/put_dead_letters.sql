-- put_dead_letters(session_key, partition_ids, tokens, devices, ..., ceilings)
-- Purpose: keeps events and values that ThingWorx refuses, fenced by the token of the grant.
--          Idempotent by (partition, generation, sequence, property). It is on this server's disk when
--          it returns: a node that comes back after a crash goes on behind it under the same token. No
--          standby is waited for: a new timeline gives new tokens, and who gets one looks what the
--          checkpoint there has passed. Nodes that work for one device at a time may exceed its ceiling
--          by a batch each.
-- Parameters: arrays of one length. properties: '' keeps the whole event, whose body is the payload;
--             else the payload is the row of that value as JSON text. reasons: unbound, unparsable,
--             refused, too_large. contexts: JSON objects with what came with the event besides.
--             ceilings: whether devices have one. Names that no index takes are shortened.
-- Returns: what became of each: kept, held, dropped, stale; see file_dead_letters. Raises HF002, 22023.
-- Calls: session_of, short_name, dead_letter_policy_of, add_event.   Internal.
-- Tables: partition (lock), session, hub (read), dead_letter, dead_letter_dropped (insert),
--         dead_letter_hold (upsert, delete).
CREATE OR REPLACE FUNCTION holdfast.put_dead_letters(
    session_key uuid, partition_ids int[], tokens bigint[], devices text[], modules text[],
    offsets text[], sequences bigint[], enqueued_ms bigint[], reasons text[], details text[],
    properties text[], payloads bytea[], attempts int[], contexts jsonb[], ceilings boolean)
RETURNS text[]
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    me constant int := holdfast.session_of(session_key);
    my_node text;
    n constant int := cardinality(partition_ids);
    verdicts text[];
    news jsonb;
BEGIN
    IF n IS NULL OR EXISTS (
        SELECT FROM unnest(ARRAY[cardinality(tokens), cardinality(devices), cardinality(modules),
                                 cardinality(offsets), cardinality(sequences),
                                 cardinality(put_dead_letters.enqueued_ms), cardinality(reasons),
                                 cardinality(details), cardinality(properties),
                                 cardinality(payloads), cardinality(put_dead_letters.attempts),
                                 cardinality(contexts)])
                    AS given (length)
         WHERE given.length IS DISTINCT FROM n) THEN
        RAISE EXCEPTION 'the arrays differ in length'
            USING ERRCODE = '22023', DETAIL = format('There are %s partition ids.', n),
                  HINT = 'Give every array one element per dead letter.';
    END IF;
    SELECT s.node INTO my_node FROM holdfast.session s WHERE s.session_id = me;

    PERFORM set_config('synchronous_commit', 'local', true);
    -- The fence: a take-over must wait until we commit, or we see that it has happened. And what
    -- another call adds for the same partition is there when we look.
    PERFORM FROM holdfast.partition p
      WHERE p.partition_id = ANY (partition_ids)
      ORDER BY p.partition_id
        FOR NO KEY UPDATE;
    WITH given AS MATERIALIZED (
        SELECT w.place, w.partition_id, w.token, short_name(coalesce(w.device, '')) AS device,
               short_name(coalesce(w.module, '')) AS module, w.event_offset, w.sequence, w.enqueued_ms,
               w.reason, left(coalesce(w.detail, ''), 4096) AS detail,
               short_name(coalesce(w.property, '')) AS property,
               coalesce(w.payload, '') AS payload, coalesce(w.attempts, 0) AS attempts,
               coalesce(w.context, '{}') AS context, p.generation, p.hub, p.partition, h.fleet
          FROM unnest(partition_ids, tokens, devices, modules, offsets, sequences,
                      put_dead_letters.enqueued_ms, reasons, details, properties, payloads,
                      put_dead_letters.attempts, contexts) WITH ORDINALITY
               AS w (partition_id, token, device, module, event_offset, sequence, enqueued_ms,
                     reason, detail, property, payload, attempts, context, place)
          JOIN holdfast.partition p ON p.partition_id = w.partition_id AND p.token = w.token
           AND p.owner_session_id = me
          JOIN holdfast.hub h ON h.name = p.hub
    ), fresh AS MATERIALIZED (
        SELECT DISTINCT ON (g.partition_id, g.sequence, g.property COLLATE "C") g.*
          FROM given g
         WHERE NOT EXISTS (SELECT FROM holdfast.dead_letter d
                            WHERE d.partition_id = g.partition_id AND d.generation = g.generation
                              AND d.sequence = g.sequence AND d.property = g.property)
         ORDER BY g.partition_id, g.sequence, g.property COLLATE "C", g.place
    ), device AS MATERIALIZED (
        SELECT f.fleet, f.device, y.action, y.ceiling,
               (SELECT count(*)
                  FROM (SELECT FROM holdfast.dead_letter d
                         WHERE d.device = f.device AND d.state IN ('kept', 'requested')
                           AND d.hub IN (SELECT h.name FROM holdfast.hub h WHERE h.fleet = f.fleet)
                         LIMIT y.ceiling) AS there) AS there
          FROM (SELECT DISTINCT x.fleet, x.device FROM fresh x WHERE ceilings) AS f
         CROSS JOIN LATERAL holdfast.dead_letter_policy_of(f.fleet, f.device) AS y
    ), judged AS MATERIALIZED (
        SELECT f.*, v.ceiling,
               CASE WHEN v.ceiling IS NULL THEN 'kept'
                    WHEN v.there + row_number() OVER (PARTITION BY f.fleet, f.device
                         ORDER BY f.partition_id, f.sequence, f.property COLLATE "C") <= v.ceiling
                    THEN 'kept'
                    WHEN v.action = 'drop' THEN 'dropped' ELSE 'held' END AS verdict
          FROM fresh f
          LEFT JOIN device v ON v.fleet = f.fleet AND v.device = f.device
    ), added AS (
        INSERT INTO holdfast.dead_letter
            (partition_id, generation, sequence, property, hub, partition, device, module,
             event_offset, enqueued_ms, reason, detail, payload, attempts, node, token, context)
        SELECT j.partition_id, j.generation, j.sequence, j.property, j.hub, j.partition, j.device,
               j.module, j.event_offset, j.enqueued_ms, j.reason, j.detail, j.payload, j.attempts,
               my_node, j.token, j.context
          FROM judged j
         WHERE j.verdict = 'kept'
         ORDER BY j.partition_id, j.sequence, j.property COLLATE "C"
    ), dropped AS (
        INSERT INTO holdfast.dead_letter_dropped AS x (fleet, device, cause, letters)
        SELECT j.fleet, j.device, 'ceiling', count(*)
          FROM judged j WHERE j.verdict = 'dropped'
         GROUP BY j.fleet, j.device
         ORDER BY j.fleet, j.device
        ON CONFLICT (fleet, device, cause) DO UPDATE
           SET letters = x.letters + excluded.letters, last_at = excluded.last_at
        RETURNING x.device, (x.xmax = 0) AS first
    ), held AS (
        INSERT INTO holdfast.dead_letter_hold AS x
               (partition_id, device, token, generation, sequence, ceiling)
        SELECT j.partition_id, j.device, j.token, j.generation, min(j.sequence), min(j.ceiling)
          FROM judged j WHERE j.verdict = 'held'
         GROUP BY j.partition_id, j.device, j.token, j.generation
         ORDER BY j.partition_id, j.device
        ON CONFLICT (partition_id, device) DO UPDATE
           SET token = excluded.token, generation = excluded.generation,
               sequence = excluded.sequence, ceiling = excluded.ceiling
        RETURNING x.partition_id, x.device, x.ceiling, (x.xmax = 0) AS first
    ), freed AS (
        DELETE FROM holdfast.dead_letter_hold x
         USING (SELECT j.partition_id, j.device FROM judged j WHERE ceilings
                EXCEPT
                SELECT j.partition_id, j.device FROM judged j WHERE j.verdict = 'held') AS k
         WHERE (x.partition_id, x.device) = (k.partition_id, k.device)
        RETURNING x.partition_id, x.device
    )
    SELECT ARRAY(SELECT CASE WHEN g.place IS NULL THEN 'stale' ELSE coalesce(j.verdict, 'kept') END
                   FROM generate_series(1, n) AS all_of (place)
                   LEFT JOIN given g ON g.place = all_of.place
                   LEFT JOIN judged j ON j.partition_id = g.partition_id
                    AND j.sequence = g.sequence AND j.property = g.property
                  ORDER BY all_of.place),
           (SELECT jsonb_agg(jsonb_build_object('what', e.what, 'partition', e.partition_id,
                                                'device', e.device, 'ceiling', e.ceiling))
              FROM (SELECT 'held' AS what, partition_id, device, ceiling FROM held WHERE first
                    UNION ALL SELECT 'freed', partition_id, device, NULL FROM freed
                    UNION ALL SELECT 'dropped', NULL, device, NULL FROM dropped WHERE first) AS e)
      INTO verdicts, news;
    IF news IS NOT NULL THEN
        PERFORM holdfast.note_dead_letters(my_node, news);
    END IF;
    RETURN verdicts;
END
$$;
COMMENT ON FUNCTION holdfast.put_dead_letters(uuid, int[], bigint[], text[], text[], text[], bigint[], bigint[], text[], text[], text[], bytea[], int[], jsonb[], boolean) IS
    'Internal: keeps events and values that ThingWorx refuses, fenced by the token of the grant';
