-- owner_at(hub, partition, at)
-- Purpose: who owned a partition at a given time, and why did it come to that node?
-- Parameters: hub, partition: names; at: by the clock of the database server.
-- Returns: one row: the node, null when nobody owned it, since and until when, why, its token, and how
--          the ownership ended. As far back as history is kept (setting history_retention).
-- Errors: 22023 no such partition.
-- Calls: require_partition.   Reads: the view partition_history.
CREATE OR REPLACE FUNCTION holdfast.owner_at(hub text, partition text, at timestamptz)
RETURNS TABLE (node text, since timestamptz, until timestamptz, why text, token bigint, end_reason text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_partition($1, $2);
    RETURN QUERY
        SELECT h.node, h.since, h.until, h.why, h.token, h.end_reason
          FROM partition_history h
         WHERE h.hub = $1 AND h.partition = $2 AND h.during @> $3;
    IF NOT FOUND THEN
        RETURN QUERY
            SELECT NULL::text, max(h.until) FILTER (WHERE h.until <= $3), min(h.since) FILTER (WHERE h.since > $3),
                   coalesce('nobody owned it: ' || (SELECT format('its last owner, %s, ended with %s', l.node, l.end_reason)
                                                      FROM partition_history l
                                                     WHERE l.hub = $1 AND l.partition = $2 AND l.until <= $3
                                                     ORDER BY l.until DESC LIMIT 1),
                            'nobody owned it yet, or its history has been pruned'),
                   NULL::bigint, NULL::text
              FROM partition_history h WHERE h.hub = $1 AND h.partition = $2;
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.owner_at(text, text, timestamptz) IS 'Who owned a partition at a given time, and why it came to that node';
