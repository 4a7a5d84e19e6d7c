-- poll(session_key)
-- Purpose: what has changed? Called on the work connection about once a second and at every notice;
--          correct without any notice.
-- Parameters: session_key: the caller's.
-- Returns: one row: versions (of the configuration, of the caller's own assignment, of the bindings),
--          number of live sessions, whether the caller leads and under which token (null: it does
--          not), whether replays of its partitions' dead letters wait to be claimed.
-- Errors: HF002 the session has ended.
-- Calls: session_of, note_backend.   Tables: version, session, lease, partition, dead_letter (read).
CREATE OR REPLACE FUNCTION holdfast.poll(session_key uuid)
RETURNS TABLE (config_version bigint, assignment_version bigint, binding_version bigint,
               live_sessions int, leader boolean, leader_token bigint, replays boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_id constant int := session_of(session_key);
BEGIN
    IF NOT EXISTS (SELECT FROM session s
                    WHERE s.session_id = v_id AND pg_backend_pid() IN (s.work_pid, s.lease_pid)) THEN
        PERFORM note_backend(v_id, 'work');
    END IF;
    RETURN QUERY
        SELECT (SELECT v.value FROM version v WHERE v.what = 'config'),
               s.assignment_version,
               (SELECT v.value FROM version v WHERE v.what = 'bindings'),
               (SELECT count(*)::int FROM session l WHERE l.ended_at IS NULL),
               l.token IS NOT NULL,
               l.token,
               EXISTS (SELECT FROM dead_letter d
                         JOIN partition p ON p.partition_id = d.partition_id
                        WHERE d.state = 'requested' AND d.claimed_by IS DISTINCT FROM v_id
                          AND p.owner_session_id = v_id)
          FROM session s
          LEFT JOIN lease l ON l.name = 'leader' AND l.session_id = s.session_id
         WHERE s.session_id = v_id;
END
$$;
COMMENT ON FUNCTION holdfast.poll(uuid) IS 'Versions, leadership and waiting replays, as the caller should see them now';
