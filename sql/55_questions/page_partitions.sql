-- page_partitions(row_limit)
-- Purpose: the partitions for status_page(): sums over all, and the ones that most need a look. All are
--          read once, without the view partitions, which looks up more of each: ten thousand take
--          some tens of milliseconds.
-- Parameters: row_limit: how many are listed.
-- Returns: an object: total, owned, moving, paused, without_owner, held, lag_events, lag_ms (of the one
--          that is furthest behind), rows (all in their order if they fit, else the worst first).
-- Calls: nothing.   Tables: partition, hub, checkpoint, partition_head, session, cluster, pause,
--         dead_letter_hold (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.page_partitions(row_limit int) RETURNS json
LANGUAGE sql STABLE SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
    WITH part AS MATERIALIZED (
        SELECT p.hub, p.partition, p.partition_id, p.owner_session_id,
               CASE WHEN (p.hub, '') IN (SELECT x.hub, x.partition FROM pause x)
                      OR (p.hub, p.partition) IN (SELECT x.hub, x.partition FROM pause x)
                    THEN CASE WHEN p.owner_session_id IS NULL THEN 'paused' ELSE 'pausing' END
                    WHEN p.reserved_node IS NOT NULL AND c.reserved_until > clock_timestamp() THEN 'reserved'
                    ELSE p.state END AS state,
               coalesce(p.partition_id IN (SELECT x.partition_id FROM dead_letter_hold x), false)
                   AND EXISTS (SELECT FROM dead_letter_hold x
                                WHERE x.partition_id = p.partition_id AND x.token = p.token AND x.generation = p.generation
                                  AND p.owner_session_id IS NOT NULL AND (k.sequence >= x.sequence) IS NOT TRUE) AS held,
               -- greatest() passes over nulls: what is not known would be 0.
               CASE WHEN h.last_sequence < k.sequence THEN 0 ELSE h.last_sequence - k.sequence END AS lag_events,
               CASE WHEN h.last_enqueued_ms < k.enqueued_ms THEN 0
                    ELSE h.last_enqueued_ms - nullif(k.enqueued_ms, 0) END AS lag_ms
          FROM partition p
          JOIN hub u ON u.name = p.hub AND u.enabled
         CROSS JOIN cluster c
          LEFT JOIN checkpoint k ON k.partition_id = p.partition_id
          LEFT JOIN partition_head h ON h.partition_id = p.partition_id
         WHERE p.retired_at IS NULL),
    chosen AS (
        SELECT r.*, CASE WHEN r.state IN ('free', 'reserved') THEN 0 WHEN r.held THEN 1
                         WHEN r.state IN ('paused', 'pausing') THEN 2 ELSE 3 END AS rank,
               (SELECT count(*) FROM part) <= $1 AS fits
          FROM part r
         ORDER BY rank, r.lag_ms DESC NULLS LAST, r.lag_events DESC NULLS LAST, r.hub, length(r.partition), r.partition
         LIMIT $1)
    SELECT json_build_object(
        'total', s.total, 'owned', s.owned, 'moving', s.moving, 'paused', s.paused, 'held', s.held,
        'without_owner', s.without_owner, 'lag_events', s.lag_events, 'lag_ms', s.lag_ms,
        'rows', (SELECT coalesce(json_agg(json_build_object(
                            'hub', x.hub, 'partition', x.partition, 'owner', o.node,
                            'state', CASE WHEN x.held THEN 'held' ELSE x.state END,
                            'lag_events', x.lag_events, 'lag_ms', x.lag_ms)
                            ORDER BY CASE WHEN NOT x.fits THEN x.rank END, CASE WHEN NOT x.fits THEN x.lag_ms END DESC NULLS LAST,
                                     CASE WHEN NOT x.fits THEN x.lag_events END DESC NULLS LAST,
                                     x.hub, length(x.partition), x.partition), '[]')
                   FROM chosen x
                   LEFT JOIN session o ON o.session_id = x.owner_session_id))
      FROM (SELECT count(*) AS total, count(p.owner_session_id) AS owned,
                   count(*) FILTER (WHERE p.state = 'releasing') AS moving,
                   count(*) FILTER (WHERE p.state IN ('paused', 'pausing')) AS paused,
                   count(*) FILTER (WHERE p.held) AS held,
                   count(*) FILTER (WHERE p.state IN ('free', 'reserved')) AS without_owner,
                   coalesce(sum(p.lag_events), 0)::bigint AS lag_events, coalesce(max(p.lag_ms), 0) AS lag_ms
              FROM part p) s
$$;
COMMENT ON FUNCTION holdfast.page_partitions(int) IS 'Internal: the partitions for status_page()';
