-- heartbeats: Rules for properties that say whether a device is heard of, in the order in which they decide; changed by set_heartbeat
-- Tables: heartbeat.
DROP VIEW IF EXISTS holdfast.heartbeats CASCADE;
CREATE VIEW holdfast.heartbeats AS
SELECT h.fleet, h.name, h.property, h.silence, h.devices, h.modules, h.rank, h.updated_at
  FROM holdfast.heartbeat h
 ORDER BY h.fleet, h.rank, h.name;
COMMENT ON VIEW holdfast.heartbeats IS 'Rules for properties that say whether a device is heard of, in the order in which they decide; changed by set_heartbeat';
