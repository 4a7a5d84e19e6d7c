-- nodes: every node that has ever joined, its present or last session, and what it says about itself
-- Tables: node, session, lease, partition, node_report.   Calls: node_quotas.
DROP VIEW IF EXISTS holdfast.nodes CASCADE;
CREATE VIEW holdfast.nodes AS
SELECT n.name AS node,
       CASE WHEN s.session_id IS NULL THEN 'gone'
            WHEN s.ended_at IS NULL AND n.drained_at IS NOT NULL THEN 'drained'
            WHEN s.ended_at IS NULL THEN 'live' ELSE s.end_reason END AS state,
       s.ended_at IS NULL AND l.name IS NOT NULL AS leader,
       coalesce(p.owned, 0) AS partitions, coalesce(p.releasing, 0) AS releasing, q.quota,
       coalesce(n.capacity_set, n.capacity) AS capacity,
       (r.stats ->> 'events_per_second')::numeric AS events_per_second,
       (r.stats ->> 'events_delivered')::bigint AS events_delivered,
       (r.stats ->> 'values_delivered')::bigint AS values_delivered,
       (r.stats ->> 'in_flight')::bigint AS in_flight,
       (r.stats ->> 'loop_stall_max_ms')::numeric AS loop_stall_max_ms,
       (r.stats ->> 'rss_kib')::bigint AS rss_kib,
       r.stats -> 'destinations' AS destinations, r.stats -> 'hubs' AS hubs,
       clock_timestamp() - r.reported_at AS report_age,
       s.session_id, s.version, s.ttl_ms, s.client_addr, coalesce(s.joined_at, n.last_joined) AS joined_at,
       CASE WHEN s.session_id IS NULL THEN n.last_joined ELSE s.ended_at END AS ended_at,
       n.drained_at, n.first_joined, s.lease_pid, s.watch_pid, s.work_pid, r.stats
  FROM holdfast.node n
  LEFT JOIN LATERAL (SELECT x.* FROM holdfast.session x
                      WHERE x.node = n.name ORDER BY x.session_id DESC LIMIT 1) s ON true
  LEFT JOIN holdfast.lease l ON l.name = 'leader' AND l.session_id = s.session_id
  LEFT JOIN (SELECT y.owner_session_id, count(*) AS owned,
                    count(*) FILTER (WHERE y.state = 'releasing') AS releasing
               FROM holdfast.partition y
              WHERE y.owner_session_id IS NOT NULL
              GROUP BY y.owner_session_id) AS p ON p.owner_session_id = s.session_id
  LEFT JOIN holdfast.node_quotas() q ON q.node = n.name
  LEFT JOIN holdfast.node_report r ON r.session_id = s.session_id;
COMMENT ON VIEW holdfast.nodes IS 'Every node that has ever joined, its present or last session, and what it says about itself';
COMMENT ON COLUMN holdfast.nodes.state IS 'live, drained; or how its last session ended: left, died, replaced, restart; gone: so long ago that its sessions have been pruned';
COMMENT ON COLUMN holdfast.nodes.quota IS 'Partitions that it should own';
COMMENT ON COLUMN holdfast.nodes.destinations IS 'State of each destination as this node sees it: ok, unreachable, paused or failed';
COMMENT ON COLUMN holdfast.nodes.hubs IS 'State of each hub as this node sees it: up, or why not';
COMMENT ON COLUMN holdfast.nodes.stats IS 'All that the node reports';
