-- leader_history: every term of the leader lease; "who led at 03:14?" is WHERE during @> '...'::timestamptz
-- Tables: term.
DROP VIEW IF EXISTS holdfast.leader_history CASCADE;
CREATE VIEW holdfast.leader_history AS
SELECT t.node, t.session_id, t.token, lower(t.during) AS since, upper(t.during) AS until,
       t.end_reason, t.during
  FROM holdfast.term t
 WHERE t.lease = 'leader'
 ORDER BY t.during DESC;
COMMENT ON VIEW holdfast.leader_history IS 'Every term of the leader; who led at a moment: WHERE during @> ''2026-11-21 03:14''::timestamptz';
