-- note_backend(session_id, kind)
-- Purpose: notes this backend as the session's watch or work connection when it is another than the
--          one known: a node may lose and reopen these two while its lease lives, and sweep() must
--          know whom to terminate.
-- Parameters: kind: watch or work.
-- Returns: whether it was another.   Calls: nothing.   Tables: session (read, update).   Internal.
CREATE OR REPLACE FUNCTION holdfast.note_backend(session_id int, kind text) RETURNS boolean
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_known int;
BEGIN
    SELECT CASE kind WHEN 'watch' THEN s.watch_pid ELSE s.work_pid END INTO v_known
      FROM session s WHERE s.session_id = note_backend.session_id;
    IF v_known = pg_backend_pid() THEN
        RETURN false;
    END IF;
    UPDATE session s
       SET watch_pid = CASE kind WHEN 'watch' THEN a.pid ELSE s.watch_pid END,
           watch_start = CASE kind WHEN 'watch' THEN a.backend_start ELSE s.watch_start END,
           work_pid = CASE kind WHEN 'work' THEN a.pid ELSE s.work_pid END,
           work_start = CASE kind WHEN 'work' THEN a.backend_start ELSE s.work_start END
      FROM pg_stat_get_activity(pg_backend_pid()) a
     WHERE s.session_id = note_backend.session_id;
    RETURN true;
END
$$;
COMMENT ON FUNCTION holdfast.note_backend(int, text) IS 'Internal: notes a reopened watch or work connection';
