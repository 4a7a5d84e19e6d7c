-- node_doubts()
-- Purpose: live nodes that may not be well, by what the database sees and by what they say; for the
--          view doubts.
-- Returns: per doubt: the node, what is doubted, since when, and how sure it is that it will end: the
--          time that is left of its TTL, if its lease is silent.
-- Calls: lock_class, ms.   Tables: session, node, node_report, pg_locks, pg_stat_activity (read).
CREATE OR REPLACE FUNCTION holdfast.node_doubts()
RETURNS TABLE (node text, doubt text, since timestamptz, ends_in interval)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_now constant timestamptz := clock_timestamp();
BEGIN
    RETURN QUERY
    WITH held AS MATERIALIZED (
        SELECT l.objid::bigint AS id
          FROM pg_locks l
         WHERE l.locktype = 'advisory' AND l.classid = lock_class()::oid AND l.objsubid = 2 AND l.mode = 'ExclusiveLock'
           AND l.granted AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())),
    live AS (
        SELECT s.*, h.id IS NOT NULL AS alive, a.state, a.state_change, ms(s.ttl_ms) AS ttl
          FROM session s
          LEFT JOIN held h ON h.id = s.session_id
          LEFT JOIN pg_stat_activity a ON a.pid = s.lease_pid AND a.backend_start = s.lease_start
         WHERE s.ended_at IS NULL)
    SELECT l.node, 'Nobody holds the lock of its session: it is dead, and nobody has ended it yet',
           coalesce(r.reported_at, l.joined_at), interval '0'
      FROM live l
      LEFT JOIN node_report r ON r.session_id = l.session_id
     WHERE NOT l.alive
    UNION ALL
    SELECT l.node, format('It has not pinged its lease for %s ms of its TTL of %s ms',
                          round(extract(epoch FROM v_now - l.state_change) * 1000), l.ttl_ms),
           l.state_change, greatest(interval '0', l.state_change + l.ttl - v_now)
      FROM live l
     WHERE l.alive AND l.state = 'idle' AND l.state_change < v_now - l.ttl * 0.6
    UNION ALL
    SELECT l.node, format('Its lease connection has been busy for %s ms: it hangs in the middle of a request',
                          round(extract(epoch FROM v_now - l.state_change) * 1000)),
           l.state_change, greatest(interval '0', l.state_change + l.ttl - v_now)
      FROM live l
     WHERE l.alive AND l.state <> 'idle' AND l.state_change < v_now - l.ttl * 0.4
    UNION ALL
    SELECT l.node, CASE WHEN r.reported_at IS NULL THEN 'It has never said anything about itself'
                        ELSE 'It says nothing about itself any more: its work connection hangs, or its loop stalls' END,
           coalesce(r.reported_at, l.joined_at), NULL
      FROM live l
      LEFT JOIN node_report r ON r.session_id = l.session_id
     WHERE l.alive AND coalesce(r.reported_at, l.joined_at) < v_now - interval '10 seconds'
    UNION ALL
    SELECT l.node, 'Its sessions have died again and again: it gets no more partitions for now',
           l.joined_at, n.steady_at - v_now
      FROM live l
      JOIN node n ON n.name = l.node
     WHERE n.steady_at > v_now;
END
$$;
COMMENT ON FUNCTION holdfast.node_doubts() IS 'Live nodes that may not be well; read the view doubts';
