-- refuse_on_lease(what)
-- Purpose: refuses (HF004) to go on when this backend holds a session's lock. There, one's own locks
--          do not conflict with one's try-lock, and a live node would bury itself.
-- Parameters: what: name of the function that must not run here.
-- Returns: nothing.   Calls: nothing.   Tables: session, pg_stat_activity (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.refuse_on_lease(what text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    -- With its start: the pid of a lease that has just died may come again as somebody's work connection.
    IF EXISTS (SELECT
                 FROM session s
                 JOIN LATERAL pg_stat_get_activity(s.lease_pid) a ON a.backend_start = s.lease_start
                WHERE s.ended_at IS NULL AND s.lease_pid = pg_backend_pid()) THEN
        RAISE EXCEPTION USING ERRCODE = 'HF004',
            MESSAGE = format('%s() must not be called on a lease connection', what),
            DETAIL = format('Backend %s holds the lock of a live session.', pg_backend_pid()),
            HINT = 'Call watch() on the watch connection and everything else on the work connection.';
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.refuse_on_lease(text) IS 'Internal: raises HF004 on a backend that holds a session''s lock';
