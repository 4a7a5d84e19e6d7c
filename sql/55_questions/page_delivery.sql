-- page_delivery(row_limit)
-- Purpose: hubs, destinations and dead letters for status_page(). What nodes report of them is read once.
--          Dead letters are counted up to ten thousand: who has more does not need the number.
-- Parameters: row_limit: how many of each kind are listed.
-- Returns: an object: hubs, destinations (total and rows of each; the ones with a trouble first), letters
--          (waiting, more: there are more than were counted, reasons).
-- Calls: nothing.
-- Tables: hub, hub_log, destination, session, node_report, partition, dead_letter (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.page_delivery(row_limit int) RETURNS json
LANGUAGE sql STABLE SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
    WITH report AS MATERIALIZED (
        SELECT r.node, r.stats FROM node_report r
          JOIN session s ON s.session_id = r.session_id AND s.ended_at IS NULL),
    hub_said AS MATERIALIZED (
        SELECT e.key AS hub, count(*) FILTER (WHERE e.value = 'up') AS up, count(*) FILTER (WHERE e.value <> 'up') AS down,
               min(e.value) FILTER (WHERE e.value <> 'up') AS problem
          FROM report r CROSS JOIN jsonb_each_text(CASE WHEN jsonb_typeof(r.stats -> 'hubs') = 'object' THEN r.stats -> 'hubs' END) e
         GROUP BY e.key),
    destination_said AS MATERIALIZED (
        SELECT e.key AS destination, count(*) AS nodes, count(*) FILTER (WHERE e.value = 'ok') AS ok,
               bool_or(e.value = 'failed') AS failed, bool_or(e.value = 'paused') AS paused,
               bool_or(e.value = 'unreachable') AS unreachable,
               max(nullif(r.stats -> 'reasons' ->> e.key, '')) AS reason,
               count(*) FILTER (WHERE r.stats -> 'delivery' ->> e.key = 'bulk') AS bulk
          FROM report r CROSS JOIN jsonb_each_text(CASE WHEN jsonb_typeof(r.stats -> 'destinations') = 'object' THEN r.stats -> 'destinations' END) e
         GROUP BY e.key),
    hub_row AS (
        SELECT h.name, h.fleet, h.enabled, coalesce(a.up, 0) AS up, coalesce(a.down, 0) AS down, left(a.problem, 300) AS problem,
               coalesce(p.partitions, 0) AS partitions, coalesce(p.owned, 0) AS owned
          FROM hub h
          LEFT JOIN hub_said a ON a.hub = h.name
          LEFT JOIN (SELECT x.hub, count(*) AS partitions, count(x.owner_session_id) AS owned
                       FROM partition x WHERE x.retired_at IS NULL GROUP BY x.hub) p ON p.hub = h.name
         ORDER BY NOT h.enabled, coalesce(a.down, 0) = 0, coalesce(p.owned, 0) = coalesce(p.partitions, 0), h.name
         LIMIT $1),
    destination_row AS (
        SELECT d.name, CASE WHEN a.destination IS NULL THEN 'unused' WHEN a.failed THEN 'failed' WHEN a.paused THEN 'paused'
                            WHEN a.unreachable THEN 'unreachable' ELSE 'ok' END AS state,
               left(a.reason, 300) AS reason, coalesce(a.nodes, 0) AS nodes, coalesce(a.ok, 0) AS ok,
               CASE WHEN a.destination IS NULL THEN NULL WHEN a.bulk = a.nodes THEN 'bulk'
                    WHEN a.bulk = 0 THEN 'per_thing' ELSE 'mixed' END AS delivered
          FROM destination d
          LEFT JOIN destination_said a ON a.destination = d.name
         ORDER BY coalesce(a.ok = a.nodes, true), a.destination IS NULL, d.name
         LIMIT $1),
    letter AS MATERIALIZED (
        SELECT d.reason FROM dead_letter d WHERE d.state IN ('kept', 'requested') LIMIT 10001),
    reason AS (
        SELECT l.reason, count(*) AS n FROM letter l GROUP BY l.reason ORDER BY n DESC, l.reason LIMIT $1)
    SELECT json_build_object(
        'hubs', json_build_object('total', (SELECT count(*) FROM hub),
            'rows', (SELECT coalesce(json_agg(row_to_json(h)), '[]') FROM hub_row h)),
        'destinations', json_build_object('total', (SELECT count(*) FROM destination),
            'rows', (SELECT coalesce(json_agg(row_to_json(d)), '[]') FROM destination_row d)),
        'letters', (SELECT json_build_object('waiting', least(count(*), 10000), 'more', count(*) > 10000,
                        'reasons', (SELECT coalesce(json_agg(json_build_object('reason', r.reason, 'count', r.n)
                                                             ORDER BY r.n DESC, r.reason), '[]') FROM reason r))
                      FROM letter))
$$;
COMMENT ON FUNCTION holdfast.page_delivery(int) IS 'Internal: hubs, destinations and dead letters for status_page()';
