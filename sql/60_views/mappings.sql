-- mappings: Rules for the payloads of fleets, in the order in which they decide; changed by set_mapping
-- Tables: mapping.
DROP VIEW IF EXISTS holdfast.mappings CASCADE;
CREATE VIEW holdfast.mappings AS
SELECT m.fleet, m.name, m.action, m.pointer, m.property, m.base_type, m.value, m.separator, m.thing,
       m.devices, m.modules, m.subjects, m.with_property, m.with_value, m.writers, m.nodes,
       m.rank, m.updated_at
  FROM holdfast.mapping m
 ORDER BY m.fleet, m.rank, m.name;
COMMENT ON VIEW holdfast.mappings IS 'Rules for the payloads of fleets, in the order in which they decide; changed by set_mapping';
