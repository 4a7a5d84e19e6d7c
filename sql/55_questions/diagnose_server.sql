-- diagnose_server()
-- Purpose: findings about the PostgreSQL server: what holds up the cluster or weakens its promises.
-- Returns: a row per finding: severity, subject, error, detail, hint.
-- Calls: incarnation_current, standbys_missing.
-- Tables: session, lease, term, housekeeping, pg_stat_activity, pg_locks, pg_prepared_xacts, pg_replication_slots,
--         pg_settings, pg_db_role_setting (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.diagnose_server()
RETURNS TABLE (severity text, subject text, error text, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT 'warning', format('backend %s', a.pid), 'A transaction has been open for long',
           format('Since %s, by %s (%s).', date_trunc('second', a.xact_start), a.usename, coalesce(nullif(a.application_name, ''), 'no application name')),
           format('It holds back vacuum, and the checkpoint table grows. SELECT pg_terminate_backend(%s); ends it; idle_in_transaction_session_timeout prevents it.', a.pid)
      FROM pg_stat_activity a
     WHERE a.datname = current_database() AND a.backend_type = 'client backend'
       AND a.xact_start < clock_timestamp() - interval '5 minutes'
    UNION ALL
    -- Who is not waiting himself. Advisory locks are waited for on purpose: see watch().
    SELECT 'warning', format('backend %s', h.pid), 'Others wait for its locks',
           format('%s wait, the longest since %s: %s. It is %s since %s, by %s (%s).', count(*), date_trunc('second', min(w.since)),
                  string_agg(DISTINCT coalesce(nullif(a.application_name, ''), a.usename), ', '), h.state, date_trunc('second', h.state_change),
                  h.usename, coalesce(nullif(h.application_name, ''), 'no application name')),
           format('Commit or roll back what it has begun, or wait for the end of its statement; SELECT pg_terminate_backend(%s) ends it.', h.pid)
      FROM (WITH RECURSIVE waiting AS MATERIALIZED (
                SELECT l.pid, min(l.waitstart) AS since, pg_blocking_pids(l.pid) AS behind
                  FROM pg_locks l WHERE NOT l.granted AND l.locktype <> 'advisory' GROUP BY l.pid),
            chain AS (
                SELECT w.pid, w.since, unnest(w.behind) AS holder FROM waiting w
                UNION
                SELECT c.pid, c.since, unnest(w.behind) FROM chain c JOIN waiting w ON w.pid = c.holder)
            SELECT c.* FROM chain c WHERE c.holder NOT IN (SELECT x.pid FROM waiting x)) w
      JOIN pg_stat_activity a ON a.pid = w.pid AND a.datname = current_database()
      JOIN pg_stat_activity h ON h.pid = w.holder
     WHERE w.since < clock_timestamp() - interval '1 second'
     GROUP BY h.pid, h.state, h.state_change, h.usename, h.application_name
    UNION ALL
    SELECT 'warning', format('prepared transaction %s', p.gid), 'A prepared transaction has been open for long',
           format('Since %s, by %s.', date_trunc('second', p.prepared), p.owner),
           format('It holds back vacuum. ROLLBACK PREPARED %L ends it, if nobody needs it.', p.gid)
      FROM pg_prepared_xacts p
     WHERE p.database = current_database() AND p.prepared < clock_timestamp() - interval '5 minutes'
    UNION ALL
    SELECT 'warning', format('replication slot %s', r.slot_name), 'It holds back vacuum, and nobody uses it',
           format('Its oldest transaction is %s transactions old.', greatest(age(r.xmin), age(r.catalog_xmin))),
           format('If its reader will not come back: SELECT pg_drop_replication_slot(%L).', r.slot_name)
      FROM pg_replication_slots r
     WHERE r.slot_type = 'logical' AND NOT r.active AND greatest(age(r.xmin), age(r.catalog_xmin)) > 100000
    UNION ALL
    SELECT 'warning', 'synchronous_standby_names', 'A synchronous standby is away',
           format('The server waits for "%s", and %s are missing: joins, grants and terms wait; telemetry and checkpoints go on.',
                  current_setting('synchronous_standby_names'), m.missing),
           'Bring the standby back (see pg_stat_replication); or, if it may be done without, take it out of synchronous_standby_names and reload.'
      FROM standbys_missing() AS m (missing)
     WHERE m.missing > 0
    UNION ALL
    SELECT 'warning', format('backend %s', a.pid), 'A commit waits for a synchronous standby',
           format('Since %s, of %s.', a.state_change, coalesce(nullif(a.application_name, ''), a.usename)),
           'It goes on when the standby is back. To cancel it leaves a commit that a fail-over may forget; a node takes that for failed.'
      FROM pg_stat_activity a
     WHERE a.datname = current_database() AND a.wait_event = 'SyncRep' AND a.state_change < clock_timestamp() - interval '2 seconds'
    UNION ALL
    SELECT 'warning', s.name, format('It is %s', s.reset_val),
           CASE s.name WHEN 'synchronous_commit' THEN 'A crash of the server can forget configuration and bindings that were confirmed.'
                       WHEN 'track_activities' THEN 'No node can join: the server does not show which backend is whose.'
                       ELSE 'A crash of the machine can destroy the database, or forget grants and tokens that were given.' END,
           format('Set %s = on in postgresql.conf and reload.', s.name)
      FROM pg_settings s
     WHERE s.name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'track_activities') AND s.reset_val = 'off'
    UNION ALL
    SELECT 'notice', 'idle_session_timeout', format('It is set for %s', coalesce('role ' || r.rolname, 'this database')),
           format('%s. Nodes set it for their connections by themselves; only a pooler that drops their start-up options needs it; if there is none, reset it.', o.option),
           format('ALTER %s RESET idle_session_timeout;', CASE WHEN r.rolname IS NULL THEN format('DATABASE %I', current_database())
                                                               ELSE format('ROLE %I', r.rolname) END)
      FROM pg_db_role_setting g
      LEFT JOIN pg_roles r ON r.oid = g.setrole
     CROSS JOIN LATERAL unnest(g.setconfig) AS o (option)
     WHERE o.option ~ '^idle_session_timeout=' AND o.option !~ '=0$'
       AND g.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
    UNION ALL
    SELECT 'warning', 'max_connections', 'The server is about to run out of connections',
           format('%s of %s are in use; each node needs three, and keeps them.', count(*), current_setting('max_connections')),
           'Raise max_connections, or find out who holds so many: SELECT usename, application_name, count(*) FROM pg_stat_activity GROUP BY 1, 2.'
      FROM pg_stat_activity a WHERE a.backend_type = 'client backend'
    HAVING count(*) >= 0.9 * (current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int)
    UNION ALL
    SELECT 'warning', 'incarnation', 'The server has begun a new life, and no node has joined since',
           format('It started at %s; what the nodes owned is not reserved before the first one joins.', date_trunc('second', pg_postmaster_start_time())),
           'Nodes join again by themselves within seconds: if this stays, see whether they run and reach the server.'
     WHERE incarnation_current() IS NULL AND EXISTS (SELECT FROM session)
    UNION ALL
    SELECT 'warning', 'history', 'History is not pruned',
           format('The leader last did it at %s.', date_trunc('second', h.done_at)),
           'See the leader''s log for errors of tend(); SELECT holdfast.prune_history() does it by hand.'
      FROM housekeeping h
      JOIN lease l ON l.name = 'leader'
      JOIN term t ON t.lease = l.name AND t.token = l.token
     WHERE h.task = 'prune' AND h.done_at < clock_timestamp() - interval '1 hour'
       AND lower(t.during) < clock_timestamp() - interval '1 hour';
END
$$;
COMMENT ON FUNCTION holdfast.diagnose_server() IS 'Internal: findings about the PostgreSQL server';
