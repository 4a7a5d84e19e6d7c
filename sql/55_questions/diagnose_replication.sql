-- diagnose_replication()
-- Purpose: findings about the standbys of the server: what a fail-over would lose, and what keeps one
--          from being possible.
-- Returns: a row per finding: severity, subject, error, detail, hint.   Calls: nothing.
-- Tables: pg_stat_replication, pg_replication_slots, pg_settings (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.diagnose_replication()
RETURNS TABLE (severity text, subject text, error text, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_end constant pg_lsn := CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END;
BEGIN
    RETURN QUERY
    SELECT 'notice', 'synchronous_standby_names', 'All standbys are asynchronous',
           format('A fail-over to %s can lose the last grants, checkpoints, bindings and dead letters that were confirmed. Nodes then go on under fresh tokens; some events arrive again.',
                  string_agg(coalesce(nullif(r.application_name, ''), host(r.client_addr), 'a standby'), ', ' ORDER BY r.application_name)),
           'Name a standby in synchronous_standby_names (Patroni: synchronous_mode), if that is not what you want.'
      FROM pg_stat_replication r
     WHERE r.state = 'streaming' AND (SELECT s.setting FROM pg_settings s WHERE s.name = 'synchronous_standby_names') = ''
    HAVING count(*) > 0
    UNION ALL
    SELECT 'warning', format('standby %s', coalesce(nullif(r.application_name, ''), host(r.client_addr), r.pid::text)), 'It lags behind',
           format('It has not yet written %s of what this server has; its last confirmation took %s.',
                  pg_size_pretty(pg_wal_lsn_diff(v_end, r.flush_lsn)), coalesce(r.flush_lag::text, 'an unknown time')),
           'See its disk and the network to it; a fail-over to it would lose that much, or wait for it.'
      FROM pg_stat_replication r
     WHERE r.state = 'streaming'
       AND (pg_wal_lsn_diff(v_end, r.flush_lsn) > 64 * 1024 * 1024 OR r.flush_lag > interval '10 seconds')
    UNION ALL
    SELECT 'warning', format('replication slot %s', s.slot_name), 'Its standby is not connected',
           format('%s of WAL are kept for it (%s).', coalesce(pg_size_pretty(pg_wal_lsn_diff(v_end, s.restart_lsn)), 'None'),
                  coalesce(s.wal_status, 'nothing reserved')),
           format('Bring the standby back; if it is gone for good: SELECT pg_drop_replication_slot(%L).', s.slot_name)
      FROM pg_replication_slots s
     WHERE s.slot_type = 'physical' AND NOT s.active AND (s.restart_lsn IS NOT NULL OR s.wal_status = 'lost');
END
$$;
COMMENT ON FUNCTION holdfast.diagnose_replication() IS 'Internal: findings about the standbys of the server';
