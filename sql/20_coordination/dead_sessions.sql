-- dead_sessions()
-- Purpose: sessions that are provably dead and not yet ended: their number's lock is free. Numbers
--          are used once and locked before they are visible, so free is for ever.
--          Never call it on a backend that holds the lock of one of them.
-- Returns: array of session numbers, in order; empty when there are none.
-- Calls: lock_class.   Tables: session (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.dead_sessions() RETURNS int[]
LANGUAGE plpgsql VOLATILE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_dead int[];
BEGIN
    -- Materialized: the planner must not evaluate the try-lock for other rows, or twice.
    WITH tried AS MATERIALIZED (
        SELECT s.session_id, pg_try_advisory_xact_lock_shared(lock_class(), s.session_id) AS is_free
          FROM session s
         WHERE s.ended_at IS NULL)
    SELECT array_agg(t.session_id ORDER BY t.session_id) INTO v_dead FROM tried t WHERE t.is_free;
    RETURN coalesce(v_dead, '{}');
END
$$;
COMMENT ON FUNCTION holdfast.dead_sessions() IS 'Internal: sessions whose lock is free and that have not been ended';
