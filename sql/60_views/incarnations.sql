-- incarnations: every life of the database server that a node has joined in
-- Tables: incarnation_history, incarnation_live.
DROP VIEW IF EXISTS holdfast.incarnations CASCADE;
CREATE VIEW holdfast.incarnations AS
SELECT h.began_at, h.incarnation, l.incarnation IS NOT NULL AS current, h.postmaster_start,
       h.system_identifier, h.timeline, h.reserved_until, h.first_token, h.opened_by
  FROM holdfast.incarnation_history h
  LEFT JOIN holdfast.incarnation_live l ON l.incarnation = h.incarnation
 ORDER BY h.began_at DESC;
COMMENT ON VIEW holdfast.incarnations IS 'Every life of the database server that a node has joined in';
