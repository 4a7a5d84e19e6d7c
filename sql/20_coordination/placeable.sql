-- placeable()
-- Purpose: the partitions that somebody should own: of enabled hubs, not retired and not paused; and
--          where each belongs as things are: with its owner, with the successor of its move, or with
--          the node that it is pinned to. A pin counts while that node is live, not drained, and has
--          not declined the hub.
-- Returns: present: session that owns it or is about to; target: the same, or the session of its pin;
--          fixed: it is moving, or its last move was called off a moment ago; reserved: for the node
--          that owned it before the database restarted or was cut off.
-- Calls: nothing.   Tables: partition, hub, pause, pin, session, node, decline, cluster (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.placeable()
RETURNS TABLE (partition_id int, hub text, present int, target int, pinned boolean, fixed boolean, reserved boolean)
LANGUAGE sql STABLE SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
    WITH pins AS MATERIALIZED (
        SELECT i.partition_id, s.session_id
          FROM pin i
          JOIN partition p ON p.partition_id = i.partition_id
          JOIN session s ON s.node = i.node AND s.ended_at IS NULL
          JOIN node n ON n.name = i.node AND n.drained_at IS NULL
         WHERE NOT EXISTS (SELECT FROM decline d
                            WHERE d.session_id = s.session_id AND d.hub = p.hub AND d.until > clock_timestamp())),
    active AS (
        SELECT p.partition_id, p.hub, coalesce(p.successor_session_id, p.owner_session_id) AS present,
               p.state = 'releasing' OR coalesce(p.move_again_at > clock_timestamp(), false) AS fixed,
               p.owner_session_id IS NULL AND p.reserved_node IS NOT NULL
                   AND c.reserved_until > clock_timestamp() AS reserved
          FROM partition p
          JOIN hub h ON h.name = p.hub AND h.enabled
         CROSS JOIN cluster c
         WHERE p.retired_at IS NULL
           AND NOT EXISTS (SELECT FROM pause a WHERE a.hub = p.hub AND a.partition IN ('', p.partition)))
    SELECT a.partition_id, a.hub, a.present,
           CASE WHEN a.fixed OR a.reserved THEN a.present ELSE coalesce(i.session_id, a.present) END,
           i.session_id IS NOT NULL AND NOT a.fixed AND NOT a.reserved, a.fixed, a.reserved
      FROM active a
      LEFT JOIN pins i ON i.partition_id = a.partition_id
$$;
COMMENT ON FUNCTION holdfast.placeable() IS 'Internal: the partitions that somebody should own, and where each belongs as things are';
