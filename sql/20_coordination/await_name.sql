-- await_name(node, previous_key, ttl_ms)
-- Purpose: waits until no other session of this node holds its lock: one TTL, or most of
--          statement_timeout if that is shorter; then refuses (HF001). A session that the previous
--          key proves to be the caller's own is not waited for.
-- Returns: nothing. Takes no lock on cluster: others must not wait with it.
-- Calls: lock_class.   Tables: session, pg_settings (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.await_name(node text, previous_key uuid, ttl_ms int) RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_other    int;
    v_before   constant text := current_setting('lock_timeout');
    v_patience bigint;
BEGIN
    SELECT s.session_id INTO v_other
      FROM session s
     WHERE s.node = await_name.node AND s.ended_at IS NULL
       AND s.session_key IS DISTINCT FROM await_name.previous_key;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT CASE WHEN s.setting::bigint > 0 THEN least(ttl_ms, s.setting::bigint * 7 / 10) ELSE ttl_ms END
      INTO v_patience
      FROM pg_settings s WHERE s.name = 'statement_timeout';
    PERFORM set_config('lock_timeout', greatest(v_patience, 1)::text, true);
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(lock_class(), v_other);
    EXCEPTION WHEN lock_not_available THEN
        PERFORM refuse_name(node, v_other);
    END;
    PERFORM set_config('lock_timeout', v_before, true);
END
$$;
COMMENT ON FUNCTION holdfast.await_name(text, uuid, int) IS 'Internal: waits up to one TTL for a live session of the same name';
