-- shares(fixed_sessions, fixed_counts)
-- Purpose: all placeable partitions of all hubs at once, shared out by capacity with largest
--          remainders. Of equal remainders the one goes to whom it saves a move. A drained node, or one
--          that has declined every hub, gets none, unless no other node is left (then declines do not
--          count).
-- Parameters: fixed_sessions, fixed_counts: sessions that get just so many, whatever their capacity;
--             the others share what is left.
-- Returns: per live session: its weight, the partitions that it owns or is about to get (held), those
--          of them that are pinned to it, whether it waits because its node flaps, its quota.
-- Calls: placeable.   Tables: session, node, decline (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.shares(fixed_sessions int[], fixed_counts bigint[])
RETURNS TABLE (session_id int, node text, weight bigint, held bigint, pinned bigint, waits boolean, quota bigint)
LANGUAGE sql STABLE SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
    WITH active AS MATERIALIZED (SELECT * FROM placeable()),
    held AS (SELECT a.target, count(*) AS held, count(*) FILTER (WHERE a.pinned) AS pinned
               FROM active a WHERE a.target IS NOT NULL GROUP BY a.target),
    hubs AS MATERIALIZED (SELECT DISTINCT a.hub FROM active a),
    fixed AS MATERIALIZED (SELECT * FROM unnest(fixed_sessions, fixed_counts) AS f (session_id, quota)),
    totals AS (SELECT (SELECT count(*) FROM active) - (SELECT coalesce(sum(f.quota), 0)::bigint FROM fixed f) AS partitions,
                      (SELECT count(*) FROM hubs) AS hubs),
    declined AS (
        SELECT d.session_id, count(*) AS hubs
          FROM decline d
          JOIN hubs ON hubs.hub = d.hub
         WHERE d.until > clock_timestamp()
         GROUP BY d.session_id),
    able AS (
        SELECT s.session_id, s.node, t.partitions, coalesce(h.held, 0) AS held, coalesce(h.pinned, 0) AS pinned,
               coalesce(n.steady_at > clock_timestamp(), false) AS waits, f.quota AS fixed, w.weight,
               CASE WHEN coalesce(d.hubs, 0) >= t.hubs AND t.hubs > 0 THEN 0 ELSE w.weight END AS willing
          FROM session s
          JOIN node n ON n.name = s.node
         CROSS JOIN totals t
         CROSS JOIN LATERAL (SELECT CASE WHEN n.drained_at IS NULL
                                         THEN coalesce(n.capacity_set, n.capacity) ELSE 0 END::bigint AS weight) w
          LEFT JOIN held h ON h.target = s.session_id
          LEFT JOIN declined d ON d.session_id = s.session_id
          LEFT JOIN fixed f ON f.session_id = s.session_id
         WHERE s.ended_at IS NULL),
    weighed AS (
        SELECT a.*, CASE WHEN sum(a.willing) OVER () > 0 THEN a.willing ELSE a.weight END AS share
          FROM able a),
    shared AS (
        SELECT w.*, CASE WHEN w.fixed IS NULL THEN w.share ELSE 0 END AS part,
               (sum(w.share) FILTER (WHERE w.fixed IS NULL) OVER ())::bigint AS parts
          FROM weighed w),
    floored AS (
        SELECT s.*, coalesce(s.partitions * s.part / nullif(s.parts, 0), 0) AS base,
               coalesce(s.partitions * s.part % nullif(s.parts, 0), 0) AS remainder
          FROM shared s)
    SELECT f.session_id, f.node, f.share, f.held, f.pinned, f.waits,
           coalesce(f.fixed,
                    f.base + CASE WHEN f.parts > 0
                                   AND row_number() OVER (ORDER BY f.fixed IS NULL DESC, f.remainder DESC,
                                                                   (f.held > f.base) DESC, f.held DESC, f.session_id)
                                       <= f.partitions - sum(f.base) OVER ()
                                  THEN 1 ELSE 0 END)
      FROM floored f
$$;
COMMENT ON FUNCTION holdfast.shares(int[], bigint[]) IS 'Internal: shares all partitions out by capacity, around sessions whose number is fixed';
