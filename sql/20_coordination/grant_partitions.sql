-- grant_partitions(partition_ids, session_ids, how, tokens)
-- Purpose: gives partitions to sessions at once, set-based: ends their open ownerships, draws a
--          fresh token for each (or keeps the one given), writes it to the partition and to its
--          checkpoint in this transaction (that is the fence), and opens the next ownerships.
-- Parameters: partition_ids, session_ids: pairs; how: see table ownership; tokens: null, or per pair
--             the token to keep, null within for a fresh one.
-- Returns: number of partitions granted.
-- Calls: close_ownerships, touch_sessions.
-- Tables: sequence token, partition, checkpoint (update), ownership (insert), session (read).   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.grant_partitions(partition_ids int[], session_ids int[], how text,
                                                     tokens bigint[] DEFAULT NULL) RETURNS int
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_touched int[];
    v_owned   int[];
    v_count   int;
BEGIN
    IF cardinality(coalesce(partition_ids, '{}')) = 0 THEN
        RETURN 0;
    END IF;

    SELECT array_agg(DISTINCT p.owner_session_id), array_agg(p.partition_id)
      INTO v_touched, v_owned
      FROM partition p
     WHERE p.partition_id = ANY (grant_partitions.partition_ids) AND p.owner_session_id IS NOT NULL;

    -- Row locks in key order, as save_checkpoints() takes them.
    PERFORM FROM checkpoint c
      WHERE c.partition_id = ANY (grant_partitions.partition_ids)
      ORDER BY c.partition_id
        FOR NO KEY UPDATE;

    WITH wanted AS MATERIALIZED (
        -- nextval itself, not new_token(): ten thousand calls of a function would take 80 ms.
        SELECT w.partition_id, w.session_id, coalesce(w.token, nextval('holdfast.token')) AS token,
               p.move_reason AS reason, c.ended
          FROM unnest(grant_partitions.partition_ids, grant_partitions.session_ids,
                      grant_partitions.tokens) AS w (partition_id, session_id, token)
          JOIN partition p ON p.partition_id = w.partition_id
          LEFT JOIN close_ownerships(v_owned, grant_partitions.how) c ON c.partition_id = w.partition_id),
    granted AS (
        UPDATE partition p
           SET state = 'owned', owner_session_id = w.session_id, token = w.token,
               successor_session_id = NULL, move_reason = NULL, move_deadline = NULL,
               move_again_at = NULL, reserved_node = NULL, reserved_session_id = NULL,
               free_since = coalesce(w.ended, p.free_since)
          FROM wanted w
         WHERE p.partition_id = w.partition_id
        RETURNING p.partition_id, p.owner_session_id, p.token, p.free_since, w.reason),
    fenced AS (
        UPDATE checkpoint c
           SET token = w.token
          FROM wanted w
         WHERE c.partition_id = w.partition_id)
    INSERT INTO ownership (partition_id, session_id, node, token, during, how, move_reason)
    SELECT g.partition_id, g.owner_session_id, s.node, g.token,
           tstzrange(greatest(clock_timestamp(), g.free_since), NULL),
           CASE WHEN g.free_since = '-infinity' THEN 'first' ELSE grant_partitions.how END,
           CASE WHEN grant_partitions.how = 'moved' THEN g.reason END
      FROM granted g
      JOIN session s ON s.session_id = g.owner_session_id;
    GET DIAGNOSTICS v_count = ROW_COUNT;

    PERFORM touch_sessions(coalesce(v_touched, '{}') || grant_partitions.session_ids);
    RETURN v_count;
END
$$;
COMMENT ON FUNCTION holdfast.grant_partitions(int[], int[], text, bigint[]) IS
    'Internal: gives partitions to sessions at once, under fresh tokens';
