-- standbys_missing()
-- Purpose: how many synchronous standbys are missing for a synchronous commit to be confirmed.
-- Returns: int; 0 also when the settings want none, or when this server hides the state of its standbys.
-- Calls: nothing.   Tables: pg_stat_replication (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.standbys_missing() RETURNS int
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_names  constant text := btrim(current_setting('synchronous_standby_names'));
    v_wanted int;
    v_there  int;
    v_hidden boolean;
BEGIN
    IF v_names = '' THEN
        RETURN 0;
    END IF;
    -- '2 (a, b, c)', 'FIRST 2 (...)' and 'ANY 2 (...)' want two; a mere list wants one.
    v_wanted := coalesce((regexp_match(v_names, '^(?:(?:first|any)\s+)?(\d+)\s*\(', 'i'))[1]::int, 1);
    SELECT count(*) FILTER (WHERE r.sync_state IN ('sync', 'quorum') AND r.state = 'streaming'),
           coalesce(bool_or(r.sync_state IS NULL), false)
      INTO v_there, v_hidden
      FROM pg_stat_replication r;
    RETURN CASE WHEN v_hidden THEN 0 ELSE greatest(v_wanted - v_there, 0) END;
END
$$;
COMMENT ON FUNCTION holdfast.standbys_missing() IS 'Internal: synchronous standbys that are missing for a commit to be confirmed';
