-- fleets: Sets of hubs that share device identities, and the rule that binds devices; changed by set_fleet
-- Tables: fleet, hub.
DROP VIEW IF EXISTS holdfast.fleets CASCADE;
CREATE VIEW holdfast.fleets AS
SELECT f.name, f.destination, f.thing_template, f.auto_bind, f.device_pattern, f.time_member,
       ARRAY(SELECT h.name FROM holdfast.hub h WHERE h.fleet = f.name ORDER BY h.name) AS hubs,
       f.updated_at
  FROM holdfast.fleet f;
COMMENT ON VIEW holdfast.fleets IS 'Sets of hubs that share device identities, and the rule that binds devices; changed by set_fleet';
