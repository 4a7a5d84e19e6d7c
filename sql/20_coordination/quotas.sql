-- quotas()
-- Purpose: how many partitions each live session should own: all partitions of all enabled hubs at
--          once, shared out by capacity with largest remainders. Of equal remainders the one goes to
--          whom it saves a move. A drained node, or one that has declined every hub, gets none,
--          unless no other node is left (then declines do not count).
-- Returns: per live session: its weight, the partitions that it owns or is about to get, its quota.
-- Calls: nothing.   Tables: session, node, partition, hub, decline (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.quotas()
RETURNS TABLE (session_id int, node text, weight bigint, held bigint, quota bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
    WITH active AS MATERIALIZED (
        SELECT p.hub, coalesce(p.successor_session_id, p.owner_session_id) AS target
          FROM partition p
          JOIN hub h ON h.name = p.hub AND h.enabled
         WHERE p.retired_at IS NULL),
    held AS (SELECT a.target, count(*) AS held FROM active a WHERE a.target IS NOT NULL GROUP BY a.target),
    hubs AS MATERIALIZED (SELECT DISTINCT a.hub FROM active a),
    totals AS (SELECT (SELECT count(*) FROM active) AS partitions, (SELECT count(*) FROM hubs) AS hubs),
    declined AS (
        SELECT d.session_id, count(*) AS hubs
          FROM decline d
          JOIN hubs ON hubs.hub = d.hub
         WHERE d.until > clock_timestamp()
         GROUP BY d.session_id),
    able AS (
        SELECT s.session_id, s.node, t.partitions, coalesce(h.held, 0) AS held, w.weight,
               CASE WHEN coalesce(d.hubs, 0) >= t.hubs AND t.hubs > 0 THEN 0 ELSE w.weight END AS willing
          FROM session s
          JOIN node n ON n.name = s.node
         CROSS JOIN totals t
         CROSS JOIN LATERAL (SELECT CASE WHEN n.drained_at IS NULL
                                         THEN coalesce(n.capacity_set, n.capacity) ELSE 0 END::bigint AS weight) w
          LEFT JOIN held h ON h.target = s.session_id
          LEFT JOIN declined d ON d.session_id = s.session_id
         WHERE s.ended_at IS NULL),
    weighed AS (
        SELECT a.*, CASE WHEN sum(a.willing) OVER () > 0 THEN a.willing ELSE a.weight END AS share
          FROM able a),
    shared AS (
        SELECT w.*, (sum(w.share) OVER ())::bigint AS shares FROM weighed w),
    floored AS (
        SELECT s.*, coalesce(s.partitions * s.share / nullif(s.shares, 0), 0) AS base,
               coalesce(s.partitions * s.share % nullif(s.shares, 0), 0) AS remainder
          FROM shared s)
    SELECT f.session_id, f.node, f.share, f.held,
           f.base + CASE WHEN f.shares > 0
                          AND row_number() OVER (ORDER BY f.remainder DESC, (f.held > f.base) DESC,
                                                          f.held DESC, f.session_id)
                              <= f.partitions - sum(f.base) OVER ()
                         THEN 1 ELSE 0 END
      FROM floored f
$$;
COMMENT ON FUNCTION holdfast.quotas() IS 'Internal: how many partitions each live session should own';
