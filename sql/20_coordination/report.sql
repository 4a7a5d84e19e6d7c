-- report(session_key, stats, partition_ids, last_sequences, last_enqueued_ms)
-- Purpose: what a node says about itself, and how far its hubs have written their partitions (for
--          lag, and since when there is one); once a second, in clusters of more than a hundred nodes a
--          hundredth of a second for each node; asynchronous commit.
-- Parameters: stats: a flat JSON object; arrays of equal length: partitions that the caller owns (others
--             are passed over), sequence number and enqueued time of their newest events.
-- Returns: nothing.   Errors: HF002 the session has ended; 22023 arrays of different length.
-- Calls: session_of, setting_ms.
-- Tables: node_report, partition_head (upsert), session, incarnation_live, partition, checkpoint (read).
CREATE OR REPLACE FUNCTION holdfast.report(session_key uuid, stats jsonb, partition_ids int[],
                                           last_sequences bigint[], last_enqueued_ms bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_id       int;
    v_node     text;
    v_alarm_ms int;
BEGIN
    IF jsonb_typeof($2) IS DISTINCT FROM 'object' OR pg_column_size($2) > 1048576 OR cardinality($3) IS NULL
       OR cardinality($3) IS DISTINCT FROM cardinality($4) OR cardinality($3) IS DISTINCT FROM cardinality($5) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = 'report() was called with arguments that do not fit together',
            DETAIL = 'stats must be a JSON object of a megabyte at most, and the three arrays of one length.',
            HINT = 'This is a fault in the node; please report it with its log.';
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT s.session_id, s.node INTO v_id, v_node
      FROM session s
      JOIN incarnation_live i ON i.incarnation = s.incarnation
     WHERE s.session_key = $1 AND s.ended_at IS NULL;
    IF NOT FOUND THEN
        v_id := session_of($1);
    END IF;
    UPDATE node_report r
       SET session_id = v_id, reported_at = clock_timestamp(), stats = $2
     WHERE r.node = v_node;
    IF NOT FOUND THEN
        INSERT INTO node_report AS r (node, session_id, reported_at, stats)
        VALUES (v_node, v_id, clock_timestamp(), $2)
            ON CONFLICT (node) DO UPDATE
           SET session_id = excluded.session_id, reported_at = excluded.reported_at, stats = excluded.stats;
    END IF;
    IF cardinality($3) = 0 THEN
        RETURN;
    END IF;
    v_alarm_ms := setting_ms('lag_alarm_ms');
    -- What is as it was is not written again: most partitions of a large cluster are quiet.
    WITH told AS (
        SELECT DISTINCT ON (i.partition_id) i.partition_id, i.last_sequence, i.last_enqueued_ms,
               CASE WHEN i.last_sequence > coalesce(c.sequence, -1)
                     AND i.last_enqueued_ms - c.enqueued_ms >= v_alarm_ms THEN clock_timestamp() END AS behind_since
          FROM unnest($3, $4, $5) AS i (partition_id, last_sequence, last_enqueued_ms)
          JOIN partition p ON p.partition_id = i.partition_id AND p.owner_session_id = v_id
          JOIN checkpoint c ON c.partition_id = i.partition_id
         WHERE i.last_sequence IS NOT NULL AND i.last_enqueued_ms IS NOT NULL
         ORDER BY i.partition_id)
    INSERT INTO partition_head AS h (partition_id, last_sequence, last_enqueued_ms, reported_at, behind_since)
    SELECT t.partition_id, t.last_sequence, t.last_enqueued_ms, clock_timestamp(), t.behind_since
      FROM told t
      LEFT JOIN partition_head k ON k.partition_id = t.partition_id
     WHERE k.partition_id IS NULL OR k.last_sequence <> t.last_sequence
        OR k.last_enqueued_ms <> t.last_enqueued_ms
        OR (k.behind_since IS NULL) <> (t.behind_since IS NULL)
     ORDER BY t.partition_id
        ON CONFLICT (partition_id) DO UPDATE
       SET last_sequence = excluded.last_sequence, last_enqueued_ms = excluded.last_enqueued_ms,
           reported_at = excluded.reported_at,
           behind_since = CASE WHEN excluded.behind_since IS NOT NULL
                               THEN coalesce(h.behind_since, excluded.behind_since) END;
END
$$;
COMMENT ON FUNCTION holdfast.report(uuid, jsonb, int[], bigint[], bigint[]) IS
    'What a node says about itself and about the newest events of its partitions';
