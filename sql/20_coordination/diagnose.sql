-- diagnose()
-- Purpose: looks for what must never be, and for what deserves a look: run it when in doubt. It scans
--          pg_locks, so it is for people and tests, not for a timer.
-- Returns: a row per finding; none when all is well.
-- Calls: lock_class, incarnation_current, ms.
-- Tables: session, partition, lease, checkpoint, ownership, term, cluster, pg_locks, pg_stat_activity (read).
CREATE OR REPLACE FUNCTION holdfast.diagnose()
RETURNS TABLE (severity text, subject text, problem text, hint text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT 'error', format('partition %s/%s', p.hub, p.partition), format('It belongs to session %s, which has ended', p.owner_session_id),
           'This is a fault of Holdfast: please report it. move_partition() gives it to a live node.'
      FROM partition p
      LEFT JOIN session s ON s.session_id = p.owner_session_id AND s.ended_at IS NULL
     WHERE p.owner_session_id IS NOT NULL AND s.session_id IS NULL
    UNION ALL
    SELECT 'error', format('lease %s', l.name), format('It belongs to session %s, which has ended', l.session_id),
           'This is a fault of Holdfast: please report it.'
      FROM lease l
      LEFT JOIN session s ON s.session_id = l.session_id AND s.ended_at IS NULL
     WHERE l.session_id IS NOT NULL AND s.session_id IS NULL
    UNION ALL
    SELECT 'error', format('partition %s/%s', p.hub, p.partition), format('Its token is %s, that of its checkpoint %s', p.token, c.token),
           'This is a fault of Holdfast: please report it.'
      FROM partition p
      LEFT JOIN checkpoint c ON c.partition_id = p.partition_id
     WHERE p.token IS DISTINCT FROM c.token OR c.partition_id IS NULL OR p.generation <> c.generation
    UNION ALL
    SELECT 'error', format('partition %s/%s', p.hub, p.partition), 'Its open ownership does not match its owner and token',
           'This is a fault of Holdfast: please report it.'
      FROM partition p
      LEFT JOIN ownership o ON o.partition_id = p.partition_id AND upper_inf(o.during)
     WHERE p.owner_session_id IS DISTINCT FROM o.session_id
        OR (p.owner_session_id IS NOT NULL AND p.token IS DISTINCT FROM o.token)
    UNION ALL
    SELECT 'error', format('lease %s', l.name), 'Its open term does not match its holder and token',
           'This is a fault of Holdfast: please report it.'
      FROM lease l
      LEFT JOIN term t ON t.lease = l.name AND upper_inf(t.during)
     WHERE l.session_id IS DISTINCT FROM t.session_id OR l.token IS DISTINCT FROM t.token
    UNION ALL
    SELECT 'warning', format('session %s', s.session_id), format('Nobody holds its lock, and it has not been ended (node %s)', s.node),
           'Any live node''s sweep ends it; if it stays, no node is live.'
      FROM session s
     WHERE s.ended_at IS NULL
       AND NOT EXISTS (SELECT FROM pg_locks l
                        WHERE l.locktype = 'advisory' AND l.classid = lock_class()::oid AND l.objid = s.session_id::oid
                          AND l.objsubid = 2 AND l.mode = 'ExclusiveLock' AND l.granted
                          AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
    UNION ALL
    SELECT 'warning', format('lock %s', l.objid), format('Backend %s holds the lock of no live session', l.pid),
           'A join failed and its connection was not closed; SELECT pg_terminate_backend(pid) ends it.'
      FROM pg_locks l
     WHERE l.locktype = 'advisory' AND l.classid = lock_class()::oid AND l.objsubid = 2 AND l.mode = 'ExclusiveLock'
       AND l.granted AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
       AND NOT EXISTS (SELECT FROM session s WHERE s.session_id::oid = l.objid AND s.ended_at IS NULL)
    UNION ALL
    SELECT 'warning', format('backend %s', a.pid), format('A transaction is open since %s (%s)', a.xact_start, a.usename),
           'It holds back vacuum; the checkpoint table bloats. End it, or set idle_in_transaction_session_timeout.'
      FROM pg_stat_activity a
     WHERE a.datname = current_database() AND a.backend_type = 'client backend'
       AND a.xact_start < clock_timestamp() - interval '5 minutes';
END
$$;
COMMENT ON FUNCTION holdfast.diagnose() IS 'Looks for what must never be, and for what deserves a look; no row when all is well';
