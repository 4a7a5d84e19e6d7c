-- hubs: Hubs, what they deliver to, and how many of their partitions are owned; changed by set_hub
-- Tables: hub, fleet, hub_log, partition, node_report, session.
DROP VIEW IF EXISTS holdfast.hubs CASCADE;
CREATE VIEW holdfast.hubs AS
SELECT h.name, h.fleet, f.destination, h.connection_secret, h.consumer_group, h.start_at, h.enabled,
       h.on_new_log, h.on_invalid_offset, h.ca_secret, h.proxy,
       l.endpoint, to_timestamp(l.created_ms / 1000.0) AS created_at, l.generation,
       coalesce(p.partitions, 0) AS partitions, coalesce(p.owned, 0) AS partitions_owned,
       coalesce(r.up, 0) AS nodes_up, r.problems, h.updated_at
  FROM holdfast.hub h
  JOIN holdfast.fleet f ON f.name = h.fleet
  LEFT JOIN holdfast.hub_log l ON l.hub = h.name
  LEFT JOIN (SELECT x.hub, count(*) AS partitions, count(x.owner_session_id) AS owned
               FROM holdfast.partition x
              WHERE x.retired_at IS NULL
              GROUP BY x.hub) AS p ON p.hub = h.name
  LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE y.stats -> 'hubs' ->> h.name = 'up') AS up,
                            jsonb_object_agg(y.node, y.stats -> 'hubs' ->> h.name)
                                FILTER (WHERE y.stats -> 'hubs' ->> h.name <> 'up') AS problems
                       FROM holdfast.node_report y
                       JOIN holdfast.session s ON s.session_id = y.session_id AND s.ended_at IS NULL
                      WHERE y.stats -> 'hubs' ? h.name) AS r ON true;
COMMENT ON VIEW holdfast.hubs IS 'Hubs, what they deliver to, and how many of their partitions are owned; changed by set_hub';
COMMENT ON COLUMN holdfast.hubs.problems IS 'Live nodes that cannot reach the hub, each with its reason; null: none';
