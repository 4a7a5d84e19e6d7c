-- diagnose()
-- Purpose: is anything stuck, and what is there to do? It scans pg_locks, so it is for people and tests,
--          not for a timer.
-- Returns: a row per finding, the worst first; none when all is well. severity: error (what must never
--          be: a fault of Holdfast), warning (something stands still, or a promise is weakened), notice
--          (somebody wanted it so, but should know); subject: what it is about; error: what is wrong;
--          detail: why, since when, how much; hint: what to do.
-- Calls: diagnose_ownership, diagnose_delivery, diagnose_nodes, diagnose_server,
--        diagnose_replication.   Tables: none itself.
CREATE OR REPLACE FUNCTION holdfast.diagnose()
RETURNS TABLE (severity text, subject text, error text, detail text, hint text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT d.severity, d.subject, d.error, d.detail, d.hint
          FROM (SELECT * FROM diagnose_ownership()
                UNION ALL SELECT * FROM diagnose_delivery()
                UNION ALL SELECT * FROM diagnose_nodes()
                UNION ALL SELECT * FROM diagnose_server()
                UNION ALL SELECT * FROM diagnose_replication()) d
         ORDER BY array_position(ARRAY['error', 'warning', 'notice'], d.severity), d.subject, d.error;
END
$$;
COMMENT ON FUNCTION holdfast.diagnose() IS 'Is anything stuck, and what is there to do? A row per finding, the worst first; none when all is well';
