-- destinations: ThingWorx clusters and the fleets that deliver to them; changed by set_destination
-- Tables: destination, fleet.
DROP VIEW IF EXISTS holdfast.destinations CASCADE;
CREATE VIEW holdfast.destinations AS
SELECT d.name, d.base_urls, d.app_key_secret, d.max_in_flight, d.request_timeout_ms, d.max_rows,
       d.max_bytes, d.linger_ms,
       ARRAY(SELECT f.name FROM holdfast.fleet f WHERE f.destination = d.name ORDER BY f.name)
           AS fleets,
       d.updated_at
  FROM holdfast.destination d;
COMMENT ON VIEW holdfast.destinations IS 'ThingWorx clusters and the fleets that deliver to them; changed by set_destination';
