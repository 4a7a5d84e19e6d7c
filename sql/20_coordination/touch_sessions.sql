-- touch_sessions(session_ids)
-- Purpose: tells sessions that what they own, or must do with it, has changed. The notice names them,
--          so that the others need not ask; when there are many, all may as well.
-- Parameters: session_ids: may contain nulls, doubles and sessions that have ended.
-- Returns: nothing.   Calls: nothing.   Tables: session (update).   Internal.
CREATE OR REPLACE FUNCTION holdfast.touch_sessions(session_ids int[]) RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_touched int[];
BEGIN
    WITH touched AS (
        UPDATE session s
           SET assignment_version = s.assignment_version + 1
         WHERE s.session_id = ANY (session_ids) AND s.ended_at IS NULL
        RETURNING s.session_id)
    SELECT array_agg(t.session_id ORDER BY t.session_id) INTO v_touched FROM touched t;
    IF v_touched IS NOT NULL THEN
        PERFORM pg_notify('holdfast', CASE WHEN cardinality(v_touched) > 100 THEN 'assignment'
                                           ELSE 'assignment ' || array_to_string(v_touched, ' ') END);
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.touch_sessions(int[]) IS 'Internal: raises the assignment version of sessions and notifies';
