-- partition_history: every ownership of every partition
-- Tables: ownership, partition.
DROP VIEW IF EXISTS holdfast.partition_history CASCADE;
CREATE VIEW holdfast.partition_history AS
SELECT p.hub, p.partition, o.node, lower(o.during) AS since, upper(o.during) AS until, o.how,
       CASE WHEN o.how = 'first' THEN 'nobody had owned it before'
            WHEN o.how = 'adopted' THEN 'the node came back and kept it'
            WHEN o.how = 'generation' THEN 'its log began anew, or its checkpoint was reset'
            WHEN o.how = 'moved' THEN format('moved from %s: %s', coalesce(l.node, 'nobody'), coalesce(o.move_reason, 'planned'))
            WHEN l.end_reason = 'died' THEN format('its owner, %s, died', l.node)
            WHEN l.end_reason = 'left' THEN format('its owner, %s, left', l.node)
            WHEN l.end_reason = 'declined' THEN format('its owner, %s, could not serve the hub', l.node)
            WHEN l.end_reason = 'restart' THEN format('the database restarted, and its owner, %s, did not come back in time', l.node)
            WHEN l.end_reason = 'moved' THEN 'it may be read again, after a pause or a disabled hub'
            ELSE coalesce(format('its owner, %s, ended with %s', l.node, l.end_reason), 'its earlier history was pruned') END AS why,
       o.end_reason, o.session_id, o.token, o.during
  FROM holdfast.ownership o
  JOIN holdfast.partition p ON p.partition_id = o.partition_id
  LEFT JOIN LATERAL (SELECT x.node, x.end_reason FROM holdfast.ownership x
                      WHERE x.partition_id = o.partition_id AND x.during << o.during
                      ORDER BY x.during DESC LIMIT 1) l ON true
 ORDER BY p.hub, length(p.partition), p.partition, o.during DESC;
COMMENT ON VIEW holdfast.partition_history IS 'Every ownership of every partition; who owned one at a moment: WHERE during @> ...';
