-- plan_and_move()
-- Purpose: plans and begins moves: places what has no owner, asks owners of too much to release,
--          empties disabled hubs, carries out administrators' wishes.
-- Returns: number of moves begun.
-- Calls: placement, grant_partitions, place_free, begin_moves, carry_out_wishes.
-- Tables: cluster (update), version, partition, hub, decline (read, delete).   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.plan_and_move() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_now   constant timestamptz := clock_timestamp();
    v_ids   int[];
    v_to    int[];
    v_count int := 0;
BEGIN
    -- The versions first: what changes while we plan is planned again.
    UPDATE cluster c
       SET planned_config = (SELECT v.value FROM version v WHERE v.what = 'config'),
           planned_wishes = (SELECT v.value FROM version v WHERE v.what = 'wishes'),
           rebalance_at = least((SELECT min(p.move_again_at) FROM partition p WHERE p.move_again_at > v_now),
                                (SELECT min(d.until) FROM decline d WHERE d.until > v_now));
    DELETE FROM decline d WHERE d.until <= v_now;

    -- A hub that was enabled again keeps what had not been released yet.
    SELECT array_agg(p.partition_id) INTO v_ids
      FROM partition p
      JOIN hub h ON h.name = p.hub AND h.enabled
     WHERE p.state = 'releasing' AND p.successor_session_id IS NULL;
    IF v_ids IS NOT NULL THEN
        PERFORM call_off(v_ids, 'the hub was enabled again');
    END IF;

    PERFORM place_free();
    PERFORM carry_out_wishes();

    SELECT array_agg(p.partition_id), array_agg(p.to_session) INTO v_ids, v_to
      FROM placement(true, true) p
     WHERE p.from_session IS NOT NULL;
    v_count := begin_moves(v_ids, v_to, 'balance');

    SELECT array_agg(p.partition_id), array_agg(NULL::int) INTO v_ids, v_to
      FROM partition p
      JOIN hub h ON h.name = p.hub AND NOT h.enabled
     WHERE p.state = 'owned' AND (p.move_again_at IS NULL OR p.move_again_at <= v_now);
    RETURN v_count + begin_moves(v_ids, v_to, 'the hub is disabled');
END
$$;
COMMENT ON FUNCTION holdfast.plan_and_move() IS 'Internal: plans and begins moves';
