-- destinations: ThingWorx clusters and the fleets that deliver to them; changed by set_destination
-- Tables: destination, fleet, node_report, session.
DROP VIEW IF EXISTS holdfast.destinations CASCADE;
CREATE VIEW holdfast.destinations AS
SELECT d.name, d.base_urls, d.app_key_secret, d.max_in_flight, d.request_timeout_ms, d.max_rows,
       d.max_bytes, d.linger_ms, d.delivery, d.adaptive, d.max_rows_per_second,
       d.failed_after_s, d.ca_secret, d.certificate_secret, d.proxy,
       ARRAY(SELECT f.name FROM holdfast.fleet f WHERE f.destination = d.name ORDER BY f.name)
           AS fleets,
       CASE WHEN r.states IS NULL THEN 'unused'
            WHEN r.states ? 'failed' THEN 'failed'
            WHEN r.states ? 'paused' THEN 'paused'
            WHEN r.states ? 'unreachable' THEN 'unreachable' ELSE 'ok' END AS state,
       r.reason,
       r.by_node AS state_by_node,
       CASE WHEN r.ways ? 'bulk' THEN CASE WHEN r.ways ? 'per_thing' THEN 'mixed' ELSE 'bulk' END
            WHEN r.ways ? 'per_thing' THEN 'per_thing' END AS delivered, d.updated_at
  FROM holdfast.destination d
  LEFT JOIN LATERAL (SELECT jsonb_object_agg(x.node, x.stats -> 'destinations' ->> d.name) AS by_node,
                            jsonb_agg(x.stats -> 'destinations' ->> d.name) AS states,
                            jsonb_agg(x.stats -> 'delivery' ->> d.name) AS ways,
                            max(nullif(x.stats -> 'reasons' ->> d.name, '')) AS reason
                       FROM holdfast.node_report x
                       JOIN holdfast.session s ON s.session_id = x.session_id AND s.ended_at IS NULL
                      WHERE x.stats -> 'destinations' ? d.name) AS r ON true;
COMMENT ON VIEW holdfast.destinations IS 'ThingWorx clusters and the fleets that deliver to them; changed by set_destination';
COMMENT ON COLUMN holdfast.destinations.state IS 'The worst that a live node reports: ok, unreachable, paused (a key or right is wrong), failed (nothing was taken for failed_after_s); the data is kept in all of them; unused: no node has reported';
COMMENT ON COLUMN holdfast.destinations.reason IS 'What went wrong last, if the state is not ok';
COMMENT ON COLUMN holdfast.destinations.delivered IS 'How values go out now: bulk (many Things in one request), per_thing, or mixed where nodes differ; NULL: no node has reported';
