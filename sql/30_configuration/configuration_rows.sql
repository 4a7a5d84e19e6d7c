-- configuration_rows()
-- Purpose: what configuration() gives to nodes, for callers that were checked. Internal.
-- Returns: as there.   Calls: nothing.
-- Tables: destination, fleet, thing_creation, mapping, heartbeat, hub, setting, version (read).
CREATE OR REPLACE FUNCTION holdfast.configuration_rows()
RETURNS jsonb
LANGUAGE sql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    -- One statement, so one snapshot: the version is that of the rows beside it.
    SELECT jsonb_build_object(
        'version', v.value,
        'destinations', (SELECT coalesce(jsonb_agg(to_jsonb(d) ORDER BY d.name), '[]')
                           FROM holdfast.destination d),
        'fleets', (SELECT coalesce(jsonb_agg(to_jsonb(f) || jsonb_build_object('creation',
                                                 (SELECT to_jsonb(c) FROM holdfast.thing_creation c WHERE c.fleet = f.name))
                                             ORDER BY f.name), '[]')
                     FROM holdfast.fleet f),
        -- In the order in which they decide; a constant as JSON text, numbers as they are.
        'mappings', (SELECT coalesce(jsonb_agg(to_jsonb(m) || jsonb_build_object('value', m.value::text)
                                               ORDER BY m.fleet, m.rank, m.name), '[]')
                       FROM holdfast.mapping m),
        'heartbeats', (SELECT coalesce(jsonb_agg(to_jsonb(b) || jsonb_build_object('silence_ms',
                                                     (extract(epoch FROM b.silence) * 1000)::bigint)
                                                 ORDER BY b.fleet, b.rank, b.name), '[]')
                         FROM holdfast.heartbeat b),
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
     WHERE v.what = 'config'
$$;
COMMENT ON FUNCTION holdfast.configuration_rows() IS
    'Internal: destinations, fleets, mapping and heartbeat rules, hubs and settings in one consistent reading';
