-- diagnose_nodes()
-- Purpose: findings about the nodes: which are in doubt, and where they differ.
-- Returns: a row per finding: severity, subject, error, detail, hint.
-- Calls: node_doubts, lock_class, setting_ms.   Tables: session, incarnation_live, pg_locks (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.diagnose_nodes()
RETURNS TABLE (severity text, subject text, error text, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT 'warning', format('node %s', d.node), d.doubt,
           format('Since %s.%s', date_trunc('second', d.since),
                  CASE WHEN d.ends_in > interval '0' THEN format(' It ends by itself in %s.', date_trunc('milliseconds', d.ends_in)) ELSE '' END),
           'Look at the node''s process, its log, and its way to the database. What it owns goes to others when its lease ends.'
      FROM node_doubts() d
    UNION ALL
    SELECT 'warning', format('lock %s', l.objid), format('Backend %s holds the lock of no live session', l.pid),
           'A join failed and its connection was not closed, or a session was ended while its backend goes on.',
           format('SELECT pg_terminate_backend(%s); ends it.', l.pid)
      FROM pg_locks l
     WHERE l.locktype = 'advisory' AND l.classid = lock_class()::oid AND l.objsubid = 2 AND l.mode = 'ExclusiveLock'
       AND l.granted AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
       AND NOT EXISTS (SELECT FROM session s WHERE s.session_id::oid = l.objid AND s.ended_at IS NULL)
    UNION ALL
    SELECT 'notice', 'nodes', 'Nodes of different versions are live',
           string_agg(format('%s: %s', s.node, s.version), ', ' ORDER BY s.version, s.node),
           'Finish the upgrade: restart the nodes of the older version one after another.'
      FROM session s WHERE s.ended_at IS NULL
    HAVING count(DISTINCT s.version) > 1
    UNION ALL
    SELECT 'notice', 'nodes', 'Nodes with different times to live are live',
           string_agg(format('%s: %s ms', s.node, s.ttl_ms), ', ' ORDER BY s.ttl_ms, s.node)
               || format('; the setting ttl_ms is %s.', setting_ms('ttl_ms')),
           'A node takes its TTL when it joins: restart those that differ, or remove their option.'
      FROM session s WHERE s.ended_at IS NULL
    HAVING count(DISTINCT s.ttl_ms) > 1
    UNION ALL
    SELECT 'notice', format('node %s', s.node), format('It died %s times within the last hour', count(*)),
           format('The last time at %s.', date_trunc('second', max(s.ended_at))),
           'See why it dies: its log, its memory, its way to the database. The view events tells what happened around it.'
      FROM session s
     WHERE s.end_reason = 'died' AND s.ended_at > clock_timestamp() - interval '1 hour'
     GROUP BY s.node
    HAVING count(*) >= 3;
END
$$;
COMMENT ON FUNCTION holdfast.diagnose_nodes() IS 'Internal: findings about the nodes';
