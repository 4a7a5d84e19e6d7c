-- log_levels: how much every live node logs, and what was asked of it
-- Tables: session, node_report, log_level.
DROP VIEW IF EXISTS holdfast.log_levels CASCADE;
CREATE VIEW holdfast.log_levels AS
SELECT s.node, r.stats ->> 'log_level' AS level, w.level AS asked,
       CASE WHEN w.until > clock_timestamp() THEN w.until END AS until, w.set_by, w.set_at
  FROM holdfast.session s
  LEFT JOIN holdfast.node_report r ON r.session_id = s.session_id
  LEFT JOIN LATERAL (SELECT x.* FROM holdfast.log_level x
                      WHERE x.node IN (s.node, '') AND x.level IS NOT NULL
                        AND x.id = (SELECT max(y.id) FROM holdfast.log_level y WHERE y.node IN (s.node, ''))
                        AND x.until > clock_timestamp()) w ON true
 WHERE s.ended_at IS NULL
 ORDER BY s.node;
COMMENT ON VIEW holdfast.log_levels IS 'How much every live node logs, and what was asked of it with set_log_level';
COMMENT ON COLUMN holdfast.log_levels.level IS 'As the node says, a second ago or so';
COMMENT ON COLUMN holdfast.log_levels.asked IS 'What set_log_level has asked for and is not over; the process may have been told something else by a signal since';
