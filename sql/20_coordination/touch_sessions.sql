-- touch_sessions(session_ids)
-- Purpose: tells sessions that what they own, or must do with it, has changed.
-- Parameters: session_ids: may contain nulls, doubles and sessions that have ended.
-- Returns: nothing.   Calls: nothing.   Tables: session (update).   Internal.
CREATE OR REPLACE FUNCTION holdfast.touch_sessions(session_ids int[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE session s
       SET assignment_version = s.assignment_version + 1
     WHERE s.session_id = ANY (session_ids) AND s.ended_at IS NULL;
    IF FOUND THEN
        PERFORM pg_notify('holdfast', 'assignment');
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.touch_sessions(int[]) IS 'Internal: raises the assignment version of sessions and notifies';
