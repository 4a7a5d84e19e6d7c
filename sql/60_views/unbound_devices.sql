-- unbound_devices: Devices that sent something and may not be bound by the rule; bind_device takes them off
-- Tables: unbound_device, binding.
DROP VIEW IF EXISTS holdfast.unbound_devices CASCADE;
CREATE VIEW holdfast.unbound_devices AS
SELECT u.fleet, u.device, u.module, u.reason, u.first_seen, u.last_seen
  FROM holdfast.unbound_device u
 -- A device that was bound while a node recorded it.
 WHERE NOT EXISTS (SELECT FROM holdfast.binding b
                    WHERE b.fleet = u.fleet AND b.device = u.device AND b.module = u.module);
COMMENT ON VIEW holdfast.unbound_devices IS 'Devices that sent something and may not be bound by the rule; bind_device takes them off';
