-- page_nodes(row_limit)
-- Purpose: the nodes for status_page(): those that live, and for an hour those that do not.
-- Parameters: row_limit: how many are listed.
-- Returns: an object: total and live (numbers of nodes), events_per_second (of all that live), versions
--          (how many different ones live), rows (the leader first, then those with a trouble, then by name).
-- Calls: nothing.   Tables: session, node, lease, partition, node_report (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.page_nodes(row_limit int) RETURNS json
LANGUAGE sql STABLE SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
    WITH found AS MATERIALIZED (
        SELECT n.name, n.drained_at, s.session_id, s.version, s.ended_at, s.joined_at, r.stats,
               CASE WHEN s.ended_at IS NOT NULL THEN s.end_reason
                    WHEN n.drained_at IS NOT NULL THEN 'drained' ELSE 'live' END AS state,
               l.name IS NOT NULL AS leader,
               clock_timestamp() - r.reported_at AS report_age,
               coalesce(o.owned, 0) AS owned
          FROM (SELECT x.session_id FROM session x WHERE x.ended_at IS NULL
                UNION ALL
                SELECT max(x.session_id) FROM session x
                 WHERE x.ended_at > clock_timestamp() - interval '1 hour'
                   AND NOT EXISTS (SELECT FROM session y WHERE y.node = x.node AND y.ended_at IS NULL)
                 GROUP BY x.node) i
          JOIN session s ON s.session_id = i.session_id
          JOIN node n ON n.name = s.node
          LEFT JOIN lease l ON l.name = 'leader' AND l.session_id = s.session_id
          LEFT JOIN node_report r ON r.node = s.node AND r.session_id = s.session_id AND s.ended_at IS NULL
          LEFT JOIN (SELECT p.owner_session_id, count(*) AS owned FROM partition p
                      WHERE p.owner_session_id IS NOT NULL GROUP BY p.owner_session_id) o ON o.owner_session_id = s.session_id)
    SELECT json_build_object(
        'total', (SELECT count(*) FROM found), 'live', (SELECT count(*) FROM found f WHERE f.ended_at IS NULL),
        'versions', (SELECT count(DISTINCT f.version) FROM found f WHERE f.ended_at IS NULL),
        'events_per_second', (SELECT coalesce(sum((f.stats ->> 'events_per_second')::numeric), 0)::bigint
                                FROM found f WHERE f.ended_at IS NULL),
        'rows', coalesce(json_agg(json_build_object(
                    'node', x.name, 'state', x.state, 'leader', x.leader, 'version', x.version, 'partitions', x.owned,
                    'events_per_second', (x.stats ->> 'events_per_second')::numeric::bigint,
                    'in_flight', (x.stats ->> 'in_flight')::numeric::bigint,
                    'stall_ms', (x.stats ->> 'loop_stall_max_ms')::numeric::bigint,
                    'rss_kib', (x.stats ->> 'rss_kib')::numeric::bigint,
                    'report_ms', round(extract(epoch FROM x.report_age) * 1000)::bigint,
                    'since_ms', round(extract(epoch FROM clock_timestamp() - coalesce(x.ended_at, x.joined_at)) * 1000)::bigint)
                    ORDER BY x.place), '[]'))
      FROM (SELECT f.*, row_number() OVER (ORDER BY NOT f.leader, f.state = 'live' AND coalesce(f.report_age < interval '20 seconds', false),
                                                    f.ended_at IS NOT NULL, length(f.name), f.name) AS place
              FROM found f
             ORDER BY place LIMIT $1) x
$$;
COMMENT ON FUNCTION holdfast.page_nodes(int) IS 'Internal: the nodes for status_page()';
