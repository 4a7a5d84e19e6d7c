-- planned_moves()
-- Purpose: what the next plan would do, for the view plan: placement() with names.
-- Returns: per partition that would move: from whom, to whom, why.
-- Calls: placement.   Tables: session (read).
CREATE OR REPLACE FUNCTION holdfast.planned_moves()
RETURNS TABLE (partition_id int, from_node text, to_node text, reason text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT m.partition_id, f.node, t.node, m.reason
          FROM placement(true, true) m
          JOIN session t ON t.session_id = m.to_session
          LEFT JOIN session f ON f.session_id = m.from_session;
END
$$;
COMMENT ON FUNCTION holdfast.planned_moves() IS 'What the next plan would do; read the view plan';
