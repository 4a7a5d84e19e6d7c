-- plan_and_move()
-- Purpose: plans and begins moves: places what has no owner, asks owners of too much to release,
--          empties what is paused or disabled, carries out administrators' wishes.
-- Returns: number of moves begun.
-- Calls: placeable, placement, place_free, begin_moves, call_off, carry_out_wishes.
-- Tables: cluster (update), decline (delete), version, partition, hub, pause, node, session (read).
--          Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.plan_and_move() RETURNS int
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_now   constant timestamptz := clock_timestamp();
    v_ids   int[];
    v_to    int[];
    v_why   text;
    v_count int := 0;
BEGIN
    -- The versions first: what changes while we plan is planned again.
    UPDATE cluster c
       SET planned_config = (SELECT v.value FROM version v WHERE v.what = 'config'),
           planned_wishes = (SELECT v.value FROM version v WHERE v.what = 'wishes'),
           rebalance_at = least((SELECT min(p.move_again_at) FROM partition p WHERE p.move_again_at > v_now),
                                (SELECT min(d.until) FROM decline d WHERE d.until > v_now),
                                (SELECT min(n.steady_at) FROM node n
                                   JOIN session s ON s.node = n.name AND s.ended_at IS NULL
                                  WHERE n.steady_at > v_now));
    DELETE FROM decline d WHERE d.until <= v_now;

    -- What was to be read by nobody and may be read again stays with its owner.
    SELECT array_agg(p.partition_id) INTO v_ids
      FROM partition p
      JOIN placeable() a ON a.partition_id = p.partition_id
     WHERE p.state = 'releasing' AND p.successor_session_id IS NULL;
    IF v_ids IS NOT NULL THEN
        PERFORM call_off(v_ids, 'they may be read again');
    END IF;

    PERFORM place_free();
    PERFORM carry_out_wishes();

    FOR v_why, v_ids, v_to IN
        SELECT m.reason, array_agg(m.partition_id), array_agg(m.to_session)
          FROM placement(true, true) m
         WHERE m.from_session IS NOT NULL
         GROUP BY m.reason
        UNION ALL
        SELECT w.reason, array_agg(p.partition_id), array_agg(NULL::int)
          FROM partition p
          JOIN hub h ON h.name = p.hub
          LEFT JOIN LATERAL (SELECT a.reason FROM pause a
                              WHERE a.hub = p.hub AND a.partition IN ('', p.partition)
                              ORDER BY a.partition LIMIT 1) a ON true
         CROSS JOIN LATERAL (SELECT CASE WHEN a.reason IS NOT NULL THEN 'it is paused: ' || a.reason
                                         ELSE 'its hub is disabled' END AS reason) w
         WHERE (NOT h.enabled OR a.reason IS NOT NULL) AND (p.move_again_at IS NULL OR p.move_again_at <= v_now)
           AND (p.state = 'owned' OR p.successor_session_id IS NOT NULL)
         GROUP BY w.reason
         ORDER BY 1
    LOOP
        v_count := v_count + begin_moves(v_ids, v_to, v_why);
    END LOOP;
    RETURN v_count;
END
$$;
COMMENT ON FUNCTION holdfast.plan_and_move() IS 'Internal: plans and begins moves';
