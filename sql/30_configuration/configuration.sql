-- configuration(session_key)
-- Purpose: all that a node needs to know of the configuration, in one consistent reading.
-- Returns: {"version": N, "destinations": [...], "fleets": [...], "mappings": [...],
--          "heartbeats": [...], "hubs": [...], "settings": {...},
--          "log_level": {...} or null: what of the caller alone};
--          the members of the rows are named like the columns of the tables. Of hubs, start_ms and
--          start_sequence say what start_at means, if it is a time or a sequence number (a node that
--          does not know the latter begins at the earliest event); raises HF002.
-- Calls: session_of, configuration_rows, log_level_of.   Tables: session (read).
CREATE OR REPLACE FUNCTION holdfast.configuration(session_key uuid)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_id int := session_of(session_key);
BEGIN
    RETURN configuration_rows()
           || jsonb_build_object('log_level', (SELECT log_level_of(s.node) FROM session s WHERE s.session_id = v_id));
END
$$;
COMMENT ON FUNCTION holdfast.configuration(uuid) IS
    'For nodes: destinations, fleets, hubs and settings in one consistent reading';
