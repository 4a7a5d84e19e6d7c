-- leader_at(at)
-- Purpose: who led at a given time?
-- Parameters: at: by the clock of the database server.
-- Returns: one row: the node, null when nobody led, since and until when, its token, and how the term
--          ended. As far back as history is kept (setting history_retention).
-- Calls: nothing.   Tables: term (read).
CREATE OR REPLACE FUNCTION holdfast.leader_at(at timestamptz)
RETURNS TABLE (node text, since timestamptz, until timestamptz, token bigint, end_reason text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT t.node, lower(t.during), upper(t.during), t.token, t.end_reason
          FROM term t WHERE t.lease = 'leader' AND t.during @> leader_at.at;
    IF NOT FOUND THEN
        RETURN QUERY
            SELECT NULL::text,
                   (SELECT max(upper(t.during)) FROM term t WHERE t.lease = 'leader' AND upper(t.during) <= leader_at.at),
                   (SELECT min(lower(t.during)) FROM term t WHERE t.lease = 'leader' AND lower(t.during) > leader_at.at),
                   NULL::bigint, NULL::text;
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.leader_at(timestamptz) IS 'Who led at a given time; one row, with a null node when nobody did';
