-- set_heartbeat(fleet, name, property, silence, devices, modules, rank)
-- Purpose: makes or changes a heartbeat rule: a property that becomes true with the first event of a
--          device after silence, and false when nothing has come for a time. Idempotent; running nodes
--          follow. docs/mapping.md has an example, and what is promised.
-- Parameters: property: its name, of base type BOOLEAN; silence: without an event for so long it
--             becomes false, a second at least; devices, modules: which ones it concerns, with * for
--             any run of characters, null for all, module '' for what the device itself sends; rank: of
--             two rules for one device the one of the higher rank decides, then that of the later name.
-- Returns: nothing; raises 22023.
-- Calls: check_name, bump, add_event.
-- Tables: fleet (lock), heartbeat (insert, update, read).
CREATE OR REPLACE FUNCTION holdfast.set_heartbeat(
    fleet text, name text, property text DEFAULT 'isConnected',
    silence interval DEFAULT interval '5 minutes', devices text DEFAULT NULL,
    modules text DEFAULT NULL, rank int DEFAULT 0)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    most constant int := 100;
    why text;
    what_to_do text;
BEGIN
    PERFORM holdfast.check_name('heartbeat', set_heartbeat.name);
    IF set_heartbeat.property IS NULL OR set_heartbeat.property = ''
       OR set_heartbeat.property <> btrim(set_heartbeat.property)
       OR set_heartbeat.property ~ '[[:cntrl:]]' OR length(set_heartbeat.property) > 256 THEN
        why := 'The name of the property is empty, too long, or has blanks around it or control characters in it.';
        what_to_do := 'Give the name as ThingWorx has it; isConnected is the default.';
    ELSIF set_heartbeat.silence IS NULL
          OR set_heartbeat.silence NOT BETWEEN interval '1 second' AND interval '30 days' THEN
        why := format('The silence is %s.', coalesce(set_heartbeat.silence::text, 'null'));
        what_to_do := 'Give a second to 30 days; several times what lies between two events of a device.';
    ELSIF set_heartbeat.rank IS NULL THEN
        why := 'The rank is null.';
        what_to_do := 'Give a number; 0 is the default.';
    END IF;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'the heartbeat rule % cannot be used', quote_literal(set_heartbeat.name)
            USING ERRCODE = '22023', DETAIL = why, HINT = what_to_do;
    END IF;
    PERFORM FROM holdfast.fleet f WHERE f.name = set_heartbeat.fleet FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no fleet %', coalesce(quote_literal(set_heartbeat.fleet), 'null')
            USING ERRCODE = '22023', DETAIL = 'Heartbeat rules belong to a fleet.',
                  HINT = 'Look at the view holdfast.fleets, or make it with holdfast.set_fleet.';
    END IF;
    INSERT INTO holdfast.heartbeat AS h (fleet, name, property, silence, devices, modules, rank)
    VALUES (set_heartbeat.fleet, set_heartbeat.name, set_heartbeat.property, set_heartbeat.silence,
            set_heartbeat.devices, set_heartbeat.modules, set_heartbeat.rank)
    ON CONFLICT (fleet, name) DO UPDATE
       SET property = excluded.property, silence = excluded.silence, devices = excluded.devices,
           modules = excluded.modules, rank = excluded.rank, updated_at = clock_timestamp()
     WHERE (h.property, h.silence, h.devices, h.modules, h.rank)
        IS DISTINCT FROM
           (excluded.property, excluded.silence, excluded.devices, excluded.modules, excluded.rank);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF (SELECT count(*) FROM holdfast.heartbeat h WHERE h.fleet = set_heartbeat.fleet) > most THEN
        RAISE EXCEPTION 'fleet % has too many heartbeat rules', quote_literal(set_heartbeat.fleet)
            USING ERRCODE = '22023', DETAIL = format('At most %s can be.', most),
                  HINT = 'Let one rule concern several devices by its patterns.';
    END IF;
    PERFORM holdfast.bump('config');
    PERFORM holdfast.add_event('config', NULL,
                               'heartbeat ' || set_heartbeat.fleet || '/' || set_heartbeat.name,
                               'heartbeat set', 'by ' || session_user);
END
$$;
COMMENT ON FUNCTION holdfast.set_heartbeat(text, text, text, interval, text, text, int) IS
    'Makes or changes a rule for a property that says whether anything is heard of a device; running nodes follow';
