-- thing_creations: Fleets whose missing Things are made; changed by set_thing_creation
-- Tables: thing_creation.
DROP VIEW IF EXISTS holdfast.thing_creations CASCADE;
CREATE VIEW holdfast.thing_creations AS
SELECT c.fleet, c.template, c.project, c.updated_at
  FROM holdfast.thing_creation c;
COMMENT ON VIEW holdfast.thing_creations IS 'Fleets whose missing Things are made; changed by set_thing_creation';
