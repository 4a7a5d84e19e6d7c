-- bindings: Which Thing each device, or module of one, writes to; changed by bind_device and the rule of the fleet
-- Tables: binding.
DROP VIEW IF EXISTS holdfast.bindings CASCADE;
CREATE VIEW holdfast.bindings AS
SELECT b.fleet, b.device, b.module, b.thing, b.source, b.created_at
  FROM holdfast.binding b;
COMMENT ON VIEW holdfast.bindings IS 'Which Thing each device, or module of one, writes to; changed by bind_device and the rule of the fleet';
