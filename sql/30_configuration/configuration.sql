-- configuration(session_key)
-- Purpose: all that a node needs to know of the configuration, in one consistent reading.
-- Returns: {"version": N, "destinations": [...], "fleets": [...], "mappings": [...],
--          "heartbeats": [...], "hubs": [...], "settings": {...}};
--          the members of the rows are named like the columns of the tables. Of hubs, start_ms and
--          start_sequence say what start_at means, if it is a time or a sequence number (a node that
--          does not know the latter begins at the earliest event); raises HF002.
-- Calls: session_of, configuration_rows.   Tables: none itself.
CREATE OR REPLACE FUNCTION holdfast.configuration(session_key uuid)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM holdfast.session_of(session_key);
    RETURN holdfast.configuration_rows();
END
$$;
COMMENT ON FUNCTION holdfast.configuration(uuid) IS
    'For nodes: destinations, fleets, hubs and settings in one consistent reading';
