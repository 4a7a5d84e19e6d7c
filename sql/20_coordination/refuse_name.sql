-- refuse_name(node, session_id)
-- Purpose: says that the node's name is in use (HF001).
-- Parameters: session_id: the live session that has it.
-- Returns: never.   Calls: nothing.   Tables: session (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.refuse_name(node text, session_id int) RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'HF001',
        MESSAGE = format('The node name "%s" is in use', node),
        DETAIL = (SELECT format('Session %s, joined %s from %s, still holds its lease.', s.session_id, s.joined_at,
                                coalesce(host(s.client_addr), 'a local socket'))
                    FROM session s WHERE s.session_id = refuse_name.session_id),
        HINT = 'Give every node its own name (--name). If that process is gone, its lease ends one TTL after its last word: try again.';
END
$$;
COMMENT ON FUNCTION holdfast.refuse_name(text, int) IS 'Internal: raises HF001';
