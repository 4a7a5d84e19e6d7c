-- keep(session_key, partition_id, token, reason)
-- Purpose: the owner calls a planned move off (it cannot drain in time) and goes on reading. No new
--          move of this partition is planned for a while.
-- Parameters: session_key: the caller's; partition_id; token: of the caller's grant; reason: for people.
-- Returns: false when nothing was changed: no move of this grant is under way.
-- Errors: HF002 the session has ended.
-- Calls: session_of, lock_cluster, call_off.   Tables: partition (read).
CREATE OR REPLACE FUNCTION holdfast.keep(session_key uuid, partition_id int, token bigint, reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    v_id int;
BEGIN
    PERFORM lock_cluster();
    v_id := session_of(session_key);
    IF NOT EXISTS (SELECT FROM partition p
                    WHERE p.partition_id = $2 AND p.owner_session_id = v_id AND p.token = $3
                      AND p.state = 'releasing') THEN
        RETURN false;
    END IF;
    PERFORM call_off(ARRAY[$2], coalesce($4, 'no reason given'));
    RETURN true;
END
$$;
COMMENT ON FUNCTION holdfast.keep(uuid, int, bigint, text) IS 'The owner calls a planned move off';
