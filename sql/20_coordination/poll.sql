-- poll(session_key)
-- Purpose: what has changed? Called on the work connection every second or less often (core/cadence.h) and at every notice;
--          correct without any notice.
-- Parameters: session_key: the caller's.
-- Returns: one row: versions (of the configuration, of the caller's own assignment, of the bindings),
--          number of live sessions, whether the caller leads and under which token (null: it does
--          not), whether replays of its partitions' dead letters wait to be claimed.
-- Errors: HF002 the session has ended.
-- In a cluster of hundreds this is the statement that is called most, and each call of a function
-- costs as much as a look-up: one query says what there is to say when nothing is amiss.
-- Calls: session_of, note_backend.
-- Tables: session, incarnation_live, version, lease, partition, dead_letter (read).
CREATE OR REPLACE FUNCTION holdfast.poll(session_key uuid)
RETURNS TABLE (config_version bigint, assignment_version bigint, binding_version bigint,
               live_sessions int, leader boolean, leader_token bigint, replays boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_id    int;
    v_known boolean;
BEGIN
    SELECT s.session_id, pg_backend_pid() IN (s.work_pid, s.lease_pid),
           (SELECT v.value FROM version v WHERE v.what = 'config'),
           s.assignment_version,
           (SELECT v.value FROM version v WHERE v.what = 'bindings'),
           (SELECT count(*)::int FROM session o WHERE o.ended_at IS NULL),
           l.token IS NOT NULL,
           l.token,
           -- Whether there are any at all; then those of the caller's partitions, one by one: hundreds of
           -- thousands that are others' to replay are not looked at.
           (SELECT true FROM dead_letter a WHERE a.state = 'requested'
             ORDER BY a.partition_id, a.generation, a.sequence, a.dead_letter_id LIMIT 1) IS NOT NULL
           AND EXISTS (SELECT FROM partition p
                        CROSS JOIN LATERAL (SELECT FROM dead_letter d
                                             WHERE d.partition_id = p.partition_id AND d.state = 'requested'
                                               AND (d.claimed_by, d.claimed_token) IS DISTINCT FROM (s.session_id, p.token)
                                             ORDER BY d.generation, d.sequence, d.dead_letter_id LIMIT 1) l
                        WHERE p.owner_session_id = s.session_id)
      INTO v_id, v_known, config_version, assignment_version, binding_version, live_sessions, leader,
           leader_token, replays
      FROM session s
      JOIN incarnation_live i ON i.incarnation = s.incarnation
      LEFT JOIN lease l ON l.name = 'leader' AND l.session_id = s.session_id
     WHERE s.session_key = poll.session_key AND s.ended_at IS NULL;
    IF NOT FOUND THEN
        v_id := session_of(session_key);
    ELSIF NOT v_known THEN
        PERFORM note_backend(v_id, 'work');
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION holdfast.poll(uuid) IS 'Versions, leadership and waiting replays, as the caller should see them now';
