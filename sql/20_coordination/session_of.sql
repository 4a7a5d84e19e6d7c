-- session_of(session_key)
-- Purpose: who calls. Every function of the protocol begins with it.
-- Parameters: session_key: as join() returned it.
-- Returns: number of the session; raises HF002 when there is none, it has ended, or the database
--          has begun a new incarnation since.
-- Calls: nothing.   Tables: session, incarnation_live (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.session_of(session_key uuid) RETURNS int
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_session session;
BEGIN
    SELECT s.* INTO v_session FROM session s WHERE s.session_key = session_of.session_key;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'HF002',
            MESSAGE = 'This session is not known',
            DETAIL = 'No session has this key: it never joined this database, or the join was lost with a crash or a restore.',
            HINT = 'Close all three connections and join again.';
    ELSIF v_session.ended_at IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'HF002',
            MESSAGE = format('Session %s of node "%s" has ended', v_session.session_id, v_session.node),
            DETAIL = format('It ended at %s: %s. What it owned has other owners.',
                            v_session.ended_at, v_session.end_reason),
            HINT = 'Drop what has not been sent, close all three connections and join again.';
    ELSIF NOT EXISTS (SELECT FROM incarnation_live l WHERE l.incarnation = v_session.incarnation) THEN
        RAISE EXCEPTION USING ERRCODE = 'HF002',
            MESSAGE = format('Session %s of node "%s" is from before a restart of the database',
                             v_session.session_id, v_session.node),
            DETAIL = 'The server crashed, was restarted or was promoted, and all leases went with it.',
            HINT = 'Join again with this session''s key: what the node owned is reserved for it for one TTL.';
    END IF;
    RETURN v_session.session_id;
END
$$;
COMMENT ON FUNCTION holdfast.session_of(uuid) IS 'Internal: number of the live session with this key, or HF002';
