-- dead_letter_policies: What happens when a device has as many dead letters as may be kept; see set_dead_letter_policy
-- Tables: dead_letter_policy, setting.
DROP VIEW IF EXISTS holdfast.dead_letter_policies CASCADE;
CREATE VIEW holdfast.dead_letter_policies AS
SELECT p.fleet, p.device_pattern, p.action, coalesce(p.ceiling, s.value::int) AS ceiling, p.set_by, p.set_at
  FROM (SELECT x.fleet, x.device_pattern, x.action, x.ceiling, x.set_by, x.set_at FROM holdfast.dead_letter_policy x
        UNION ALL
        SELECT NULL, NULL, 'pause', NULL, NULL, NULL
         WHERE NOT EXISTS (SELECT FROM holdfast.dead_letter_policy y WHERE y.fleet IS NULL AND y.device_pattern IS NULL)) AS p
  JOIN holdfast.setting s ON s.name = 'dead_letter_ceiling';
COMMENT ON VIEW holdfast.dead_letter_policies IS 'What happens when a device has as many dead letters as may be kept; see set_dead_letter_policy';
