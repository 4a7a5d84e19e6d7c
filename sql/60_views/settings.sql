-- settings: Cluster-wide settings; changed by set_setting
-- Tables: setting.
DROP VIEW IF EXISTS holdfast.settings CASCADE;
CREATE VIEW holdfast.settings AS
SELECT s.name, s.value, s.kind, s.lowest, s.highest, s.description, s.updated_at, s.choices
  FROM holdfast.setting s;
COMMENT ON VIEW holdfast.settings IS 'Cluster-wide settings; changed by set_setting';
