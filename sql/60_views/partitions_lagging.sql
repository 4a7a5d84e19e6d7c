-- partitions_lagging: partitions that are further behind their hub than the setting lag_alarm_ms, or stand still
-- Times of the hub are compared with times of the hub only. What an owner that waits for ThingWorx has
-- not asked the hub for does not count in lag_events, so a partition that stands still is listed too.
-- Tables: setting.   Reads: the view partitions.
DROP VIEW IF EXISTS holdfast.partitions_lagging CASCADE;
CREATE VIEW holdfast.partitions_lagging AS
SELECT p.hub, p.partition, p.owner, p.lag_events, p.lag_seconds,
       coalesce(p.behind_since, clock_timestamp() - p.checkpoint_age) AS since,
       coalesce(p.checkpoint_age < interval '10 seconds', false) AS progress, p.checkpoint_age, p.state
  FROM holdfast.partitions p
 CROSS JOIN (SELECT s.value::bigint * interval '1 millisecond' AS alarm
               FROM holdfast.setting s WHERE s.name = 'lag_alarm_ms') a
 WHERE p.hub_enabled AND p.state NOT IN ('paused', 'retired')
   AND (p.behind_since IS NOT NULL OR (p.lag_events > 0 AND p.checkpoint_age > a.alarm))
 ORDER BY p.lag_seconds DESC NULLS LAST, p.lag_events DESC NULLS LAST;
COMMENT ON VIEW holdfast.partitions_lagging IS 'Partitions that are further behind their hub than the setting lag_alarm_ms, the worst first';
COMMENT ON COLUMN holdfast.partitions_lagging.since IS 'Since when it has been that far behind';
COMMENT ON COLUMN holdfast.partitions_lagging.progress IS 'Whether a checkpoint was saved within the last ten seconds';
