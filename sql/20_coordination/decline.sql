-- decline(session_key, partition_id, token, reason)
-- Purpose: a node that cannot serve a hub gives a partition back. It is passed over for this hub for
--          decline_pass_over_ms; the partition goes to another session at once. If every other one
--          has declined the hub too, it stays free until the leader's next tend(), which then gives
--          it to one of them all the same.
-- Parameters: session_key: the caller's; partition_id; token: of the caller's grant; reason: for people.
-- Returns: false when nothing was changed: the grant is not the caller's any more, or nobody else
--          reaches the hub either (by what the nodes report), so that moving would help nobody.
-- Errors: HF002 the session has ended.
-- Calls: session_of, lock_cluster, free_partitions, place_free, setting_ms, add_event.
-- Tables: partition, session, node_report (read), decline (upsert), cluster (update).
CREATE OR REPLACE FUNCTION holdfast.decline(session_key uuid, partition_id int, token bigint, reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_id    int;
    v_hub   text;
    v_until timestamptz;
    v_known boolean;
BEGIN
    PERFORM lock_cluster();
    v_id := session_of(session_key);
    SELECT p.hub INTO v_hub
      FROM partition p
     WHERE p.partition_id = $2 AND p.owner_session_id = v_id AND p.token = $3;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM node_report r WHERE r.session_id = v_id AND r.stats -> 'hubs' ->> v_hub <> 'up')
       AND NOT EXISTS (SELECT FROM node_report r
                         JOIN session s ON s.session_id = r.session_id AND s.ended_at IS NULL
                        WHERE r.session_id <> v_id AND r.stats -> 'hubs' ->> v_hub = 'up') THEN
        RETURN false;
    END IF;
    v_until := clock_timestamp() + ms(setting_ms('decline_pass_over_ms'));
    v_known := EXISTS (SELECT FROM decline d
                        WHERE d.session_id = v_id AND d.hub = v_hub AND d.until > clock_timestamp());
    INSERT INTO decline (session_id, hub, until, reason)
    VALUES (v_id, v_hub, v_until, left(coalesce($4, 'no reason given'), 1024))
        ON CONFLICT (session_id, hub) DO UPDATE
       SET until = excluded.until, reason = excluded.reason, declined_at = clock_timestamp();
    PERFORM free_partitions(ARRAY[$2], 'declined');
    PERFORM place_free(false);
    UPDATE cluster c SET rebalance_at = least(c.rebalance_at, v_until);
    -- Once for the hub, not for each of its partitions.
    IF NOT v_known THEN
        PERFORM add_event('decline', s.node, format('hub %s', v_hub), 'A node cannot serve a hub and gave a partition back',
                          coalesce($4, 'no reason given'),
                          'See whether the node can reach the hub and has its secret.')
           FROM session s WHERE s.session_id = v_id;
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION holdfast.decline(uuid, int, bigint, text) IS
    'Gives a partition back; the caller is passed over for its hub for a while';
