-- leader: who leads now
-- Tables: lease, session, term.
DROP VIEW IF EXISTS holdfast.leader CASCADE;
CREATE VIEW holdfast.leader AS
SELECT s.node, lower(t.during) AS since, date_trunc('seconds', clock_timestamp() - lower(t.during)) AS for_how_long,
       l.token, l.session_id
  FROM holdfast.lease l
  JOIN holdfast.session s ON s.session_id = l.session_id
  JOIN holdfast.term t ON t.lease = l.name AND t.token = l.token
 WHERE l.name = 'leader';
COMMENT ON VIEW holdfast.leader IS 'Who leads now; no row when nobody is live';
