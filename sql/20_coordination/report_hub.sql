-- report_hub(session_key, leader_token, hub, endpoint, created_ms, partitions)
-- Purpose: the leader registers what a hub's $management says. New partitions are assigned at once,
--          balanced. A changed creation time or endpoint begins a new generation: offsets start anew,
--          the old checkpoints go to history, and every owner gets a fresh token, so that nothing it
--          still sends from the old log is saved; partitions that are not in the new log are retired.
--          Saying the same again changes nothing and waits for nobody.
-- Parameters: session_key, leader_token: of the caller's term; hub: name of its row; endpoint: host and
--             entity path; created_ms: milliseconds since 1970; partitions: their ids.
-- Returns: number of new partitions.
-- Errors: HF002 the session has ended; HF006 not the leader; 22023 the hub is unknown or disabled, or
--         the list is empty.
-- Calls: session_of, require_leader, lock_cluster, begin_generation, place_free, add_event.
-- Tables: hub (read), hub_log (upsert), partition, checkpoint (insert, update), cluster (update).
CREATE OR REPLACE FUNCTION holdfast.report_hub(session_key uuid, leader_token bigint, hub text, endpoint text,
                                               created_ms bigint, partitions text[]) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_id    constant int := session_of(session_key);
    v_log   hub_log;
    v_count int;
BEGIN
    PERFORM require_leader(v_id, leader_token);
    IF coalesce($4, '') = '' OR $5 IS NULL OR coalesce(cardinality($6), 0) = 0
       OR array_position($6, NULL) IS NOT NULL OR array_position($6, '') IS NOT NULL
       OR NOT EXISTS (SELECT FROM hub h WHERE h.name = $3 AND h.enabled) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('Hub "%s" cannot be registered', $3),
            DETAIL = 'It has no enabled row in the view hubs, or its endpoint, creation time or partitions are missing.',
            HINT = 'Read configuration() again; a hub is made with set_hub().';
    END IF;

    SELECT l.* INTO v_log FROM hub_log l WHERE l.hub = $3;
    IF FOUND AND v_log.endpoint = $4 AND v_log.created_ms = $5
       AND NOT EXISTS (SELECT unnest($6) EXCEPT
                       SELECT p.partition FROM partition p WHERE p.hub = $3 AND p.retired_at IS NULL) THEN
        RETURN 0;
    END IF;

    PERFORM lock_cluster();
    PERFORM require_leader(v_id, leader_token);
    SELECT l.* INTO v_log FROM hub_log l WHERE l.hub = $3;
    IF NOT FOUND THEN
        INSERT INTO hub_log (hub, endpoint, created_ms) VALUES ($3, $4, $5) RETURNING * INTO v_log;
    ELSIF v_log.endpoint <> $4 OR v_log.created_ms <> $5 THEN
        UPDATE hub_log l
           -- Single partitions may be further: see abandon_offset().
           SET generation = greatest(l.generation, (SELECT max(p.generation) FROM partition p WHERE p.hub = $3)) + 1, endpoint = $4, created_ms = $5, since = clock_timestamp()
         WHERE l.hub = $3
        RETURNING l.* INTO v_log;
        PERFORM begin_generation($3, v_log.generation, $6);
        PERFORM add_event('hub', s.node, format('hub %s', $3), 'A new generation of the hub''s log began',
                          format('Endpoint %s, created %s: offsets start anew; the old checkpoints are kept in checkpoint_history.',
                                 $4, to_timestamp($5 / 1000.0)),
                          'If the hub was not re-created or renamed on purpose, look at its connection string.')
           FROM session s WHERE s.session_id = v_id;
    END IF;

    WITH added AS (
        INSERT INTO partition AS p (hub, partition, generation)
        SELECT $3, n.partition, v_log.generation
          FROM (SELECT DISTINCT unnest($6) AS partition) n
         ORDER BY length(n.partition), n.partition
            ON CONFLICT (hub, partition) DO UPDATE SET retired_at = NULL WHERE p.retired_at IS NOT NULL
        RETURNING p.partition_id, p.generation),
    marked AS (
        INSERT INTO checkpoint (partition_id, generation)
        SELECT a.partition_id, a.generation FROM added a
            ON CONFLICT (partition_id) DO NOTHING)
    SELECT count(*) INTO v_count FROM added;
    PERFORM place_free();
    UPDATE cluster c SET rebalance_at = coalesce(c.rebalance_at, clock_timestamp() + ms(setting_ms('rebalance_delay_ms')));
    IF v_count > 0 THEN
        PERFORM add_event('hub', s.node, format('hub %s', $3), 'Partitions were registered', format('%s new ones.', v_count))
           FROM session s WHERE s.session_id = v_id;
    END IF;
    RETURN v_count;
END
$$;
COMMENT ON FUNCTION holdfast.report_hub(uuid, bigint, text, text, bigint, text[]) IS
    'The leader registers a hub''s partitions and the generation of its log';
