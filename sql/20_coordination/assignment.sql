-- assignment(session_key)
-- Purpose: what the caller owns, with the checkpoints to go on from.
-- Parameters: session_key: the caller's.
-- Returns: rows of `assigned`, in key order.   Errors: HF002 the session has ended.
-- Calls: session_of, assigned_to.   Tables: none itself.
CREATE OR REPLACE FUNCTION holdfast.assignment(session_key uuid) RETURNS SETOF holdfast.assigned
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
BEGIN
    RETURN QUERY SELECT * FROM assigned_to(session_of(session_key));
END
$$;
COMMENT ON FUNCTION holdfast.assignment(uuid) IS 'What the caller owns, with the checkpoints to go on from';
