-- configuration(session_key)
-- Purpose: all that a node needs to know of the configuration, in one consistent reading.
-- Returns: {"version": N, "destinations": [...], "fleets": [...], "mappings": [...],
--          "hubs": [...], "settings": {...}};
--          the members of the rows are named like the columns of the tables. Of hubs, start_ms and
--          start_sequence say what start_at means, if it is a time or a sequence number (a node that
--          does not know the latter begins at the earliest event); raises HF002.
-- Calls: session_of.   Tables: destination, fleet, mapping, hub, setting, version (read).
CREATE OR REPLACE FUNCTION holdfast.configuration(session_key uuid)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM holdfast.session_of(session_key);
    -- One statement, so one snapshot: the version is that of the rows beside it.
    RETURN (
        SELECT jsonb_build_object(
            'version', v.value,
            'destinations', (SELECT coalesce(jsonb_agg(to_jsonb(d) ORDER BY d.name), '[]')
                               FROM holdfast.destination d),
            'fleets', (SELECT coalesce(jsonb_agg(to_jsonb(f) ORDER BY f.name), '[]')
                         FROM holdfast.fleet f),
            -- In the order in which they decide; a constant as JSON text, numbers as they are.
            'mappings', (SELECT coalesce(jsonb_agg(to_jsonb(m) || jsonb_build_object('value', m.value::text)
                                                   ORDER BY m.fleet, m.rank, m.name), '[]')
                           FROM holdfast.mapping m),
            'hubs', (SELECT coalesce(jsonb_agg(to_jsonb(h) || jsonb_build_object(
                                'start_ms', CASE WHEN h.start_at ~ '^[0-9]'
                                    THEN (extract(epoch FROM h.start_at::timestamptz) * 1000)::bigint END,
                                'start_sequence', substring(h.start_at FROM '^sequence:([0-9]+)$')::bigint)
                                ORDER BY h.name), '[]')
                       FROM holdfast.hub h),
            'settings', (SELECT jsonb_object_agg(s.name, CASE s.kind
                                                         WHEN 'integer' THEN to_jsonb(s.value::bigint)
                                                         ELSE to_jsonb(s.value) END)
                           FROM holdfast.setting s))
          FROM holdfast.version v
         WHERE v.what = 'config');
END
$$;
COMMENT ON FUNCTION holdfast.configuration(uuid) IS
    'For nodes: destinations, fleets, hubs and settings in one consistent reading';
