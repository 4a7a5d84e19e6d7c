-- terminate_backend(pid)
-- Purpose: pg_terminate_backend() that warns instead of failing: a node that runs as a superuser
--          (nobody should) must not stop the others from burying it.
-- Returns: whether the signal was sent.   Calls: nothing.   Tables: none.   Internal.
CREATE OR REPLACE FUNCTION holdfast.terminate_backend(pid int) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    RETURN pg_terminate_backend(pid);
EXCEPTION WHEN insufficient_privilege THEN
    -- Not 01000, the code of any warning: nodes take that for a commit that was not replicated.
    RAISE WARNING USING ERRCODE = '01H01',
        MESSAGE = format('Backend %s of a dead session cannot be ended', pid),
        DETAIL = SQLERRM,
        HINT = 'Nodes must not connect as a superuser, and holdfast_owner needs pg_signal_backend (server/roles.sql).';
    RETURN false;
END
$$;
COMMENT ON FUNCTION holdfast.terminate_backend(int) IS 'Internal: ends a backend, or warns';
