-- connected_things: Things that are heard of, by the heartbeat rules
-- Tables: presence, partition, hub.
DROP VIEW IF EXISTS holdfast.connected_things CASCADE;
CREATE VIEW holdfast.connected_things AS
SELECT h.fleet, x.thing, x.device, x.module, p.hub, p.partition, x.since
  FROM holdfast.presence x
  JOIN holdfast.partition p ON p.partition_id = x.partition_id
  JOIN holdfast.hub h ON h.name = p.hub;
COMMENT ON VIEW holdfast.connected_things IS 'Things that are heard of, by the heartbeat rules';
