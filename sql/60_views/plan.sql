-- plan: what would move if the leader planned now, and what is moving already
-- Tables: partition, session.   Calls: planned_moves.
DROP VIEW IF EXISTS holdfast.plan CASCADE;
CREATE VIEW holdfast.plan AS
SELECT p.hub, p.partition, m.from_node, m.to_node, m.reason, 'planned' AS state, NULL::timestamptz AS deadline
  FROM holdfast.planned_moves() m
  JOIN holdfast.partition p ON p.partition_id = m.partition_id
UNION ALL
SELECT p.hub, p.partition, o.node, n.node, p.move_reason, 'under way', p.move_deadline
  FROM holdfast.partition p
  JOIN holdfast.session o ON o.session_id = p.owner_session_id
  LEFT JOIN holdfast.session n ON n.session_id = p.successor_session_id
 WHERE p.state = 'releasing';
COMMENT ON VIEW holdfast.plan IS 'What would move if the leader planned now, and what is moving already';
COMMENT ON COLUMN holdfast.plan.to_node IS 'Null: nobody, it is paused or its hub is disabled';
