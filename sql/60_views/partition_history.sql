-- partition_history: every ownership of every partition
-- Tables: ownership, partition.
DROP VIEW IF EXISTS holdfast.partition_history CASCADE;
CREATE VIEW holdfast.partition_history AS
SELECT p.hub, p.partition, o.node, o.session_id, o.token, o.how, lower(o.during) AS since,
       upper(o.during) AS until, o.end_reason, o.during
  FROM holdfast.ownership o
  JOIN holdfast.partition p ON p.partition_id = o.partition_id
 ORDER BY p.hub, length(p.partition), p.partition, o.during DESC;
COMMENT ON VIEW holdfast.partition_history IS 'Every ownership of every partition; who owned one at a moment: WHERE during @> ...';
