-- check_lease_backend(ttl_ms, watch_pid, work_pid)
-- Purpose: refuses connections that cannot carry a lease: a time-out that differs from the TTL
--          (HF005), a backend that already holds a session's lock, connections that are not three
--          distinct backends of one role in this database (HF004: a pooler in transaction mode).
-- Returns: nothing.   Calls: lock_class.   Tables: pg_settings, pg_locks, pg_stat_activity (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.check_lease_backend(ttl_ms int, watch_pid int, work_pid int) RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_timeout bigint;
    v_reset   bigint;
    v_found   int;
BEGIN
    -- reset_val too: a SET may be rolled back or RESET, what the start-up options gave may not.
    SELECT s.setting::bigint, s.reset_val::bigint INTO v_timeout, v_reset
      FROM pg_settings s WHERE s.name = 'idle_session_timeout';
    IF v_timeout <> ttl_ms OR v_reset <> ttl_ms THEN
        RAISE EXCEPTION USING ERRCODE = 'HF005',
            MESSAGE = format('idle_session_timeout is not the lease''s time to live of %s ms', ttl_ms),
            DETAIL = format('It is %s ms now, and %s ms after a RESET. The server enforces the lease by it.', v_timeout, v_reset),
            HINT = format('Open the lease connection with options=''-c idle_session_timeout=%s''. A pooler that drops these options needs ALTER ROLE %I SET idle_session_timeout = %s instead.', ttl_ms, session_user, ttl_ms);
    ELSIF current_setting('track_activities') <> 'on' THEN
        RAISE EXCEPTION USING ERRCODE = 'HF005',
            MESSAGE = 'track_activities is off',
            DETAIL = 'Without it the leader cannot see a lease connection that hangs in the middle of a statement.',
            HINT = 'Set track_activities = on in postgresql.conf and reload.';
    END IF;

    IF EXISTS (SELECT FROM pg_locks l
                WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.objsubid = 2
                  AND l.classid = lock_class()::oid AND l.mode = 'ExclusiveLock') THEN
        RAISE EXCEPTION USING ERRCODE = 'HF004',
            MESSAGE = 'This connection already holds the lock of a session',
            DETAIL = format('Backend %s took it in an earlier join: a failed one, or, behind a pooler, somebody else''s.', pg_backend_pid()),
            HINT = 'Close the connection after every failed join; connect directly or through a pooler in session mode.';
    END IF;

    SELECT count(DISTINCT a.pid) INTO v_found
      FROM unnest(ARRAY[watch_pid, work_pid]) AS other (pid)
     -- One by one: the view would tell of every connection of the server.
      JOIN LATERAL pg_stat_get_activity(other.pid) a ON a.pid = other.pid
      JOIN pg_stat_get_activity(pg_backend_pid()) me ON me.usesysid = a.usesysid AND me.datid = a.datid
     WHERE a.pid <> pg_backend_pid();
    IF v_found <> 2 THEN
        RAISE EXCEPTION USING ERRCODE = 'HF004',
            MESSAGE = 'The lease, watch and work connections are not three backends of one role',
            DETAIL = format('Lease %s, watch %s, work %s: of the last two, %s are other backends of this role in this database.',
                            pg_backend_pid(), coalesce(watch_pid::text, 'null'), coalesce(work_pid::text, 'null'), v_found),
            HINT = 'Connect directly or through a pooler in session mode, with one user for all three.';
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.check_lease_backend(int, int, int) IS 'Internal: refuses connections that cannot carry a lease';
