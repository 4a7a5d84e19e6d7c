-- set_mapping(fleet, name, action, pointer, property, base_type, value, separator, thing, devices,
--             modules, subjects, with_property, with_value, rank, writers, nodes)
-- Purpose: makes or changes a rule for the payloads of a fleet: which value becomes which property.
--          Idempotent; running nodes follow. docs/mapping.md has examples.
-- Parameters: action: property, drop, flatten, constant or opcua; pointer: JSON pointer to the value,
--             '' the whole payload; property: its name, null: the value's own; base_type: null: by the
--             JSON type; value: of a constant; separator: of flatten; thing: template, of opcua;
--             devices, modules, subjects, with_value: which events it concerns, with * for any run of
--             characters, null for all; with_property: a property that the message must have;
--             rank: of two rules for one value the one of the higher rank decides, then the one of the
--             later name; writers, nodes: with opcua, which values it concerns.
-- Returns: nothing; raises 22023.
-- Calls: check_mapping, bump, add_event.
-- Tables: fleet (lock), mapping (insert, update, read).
CREATE OR REPLACE FUNCTION holdfast.set_mapping(
    fleet text, name text, action text, pointer text DEFAULT NULL, property text DEFAULT NULL,
    base_type text DEFAULT NULL, value jsonb DEFAULT NULL, separator text DEFAULT NULL,
    thing text DEFAULT NULL, devices text DEFAULT NULL, modules text DEFAULT NULL,
    subjects text DEFAULT NULL, with_property text DEFAULT NULL, with_value text DEFAULT NULL,
    rank int DEFAULT 0, writers text DEFAULT NULL, nodes text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    rule holdfast.mapping;
    before holdfast.mapping;
    most_ways constant int := 64;
    most_rules constant int := 1000;
    ways bigint;
    rules bigint;
BEGIN
    rule := ROW(set_mapping.fleet, set_mapping.name, set_mapping.action, set_mapping.pointer,
                set_mapping.property, set_mapping.base_type, set_mapping.value,
                CASE WHEN set_mapping.action = 'flatten' THEN coalesce(set_mapping.separator, '_')
                     ELSE set_mapping.separator END,
                set_mapping.thing, set_mapping.devices, set_mapping.modules, set_mapping.subjects,
                set_mapping.with_property, set_mapping.with_value, set_mapping.rank,
                clock_timestamp(), set_mapping.writers, set_mapping.nodes);
    PERFORM holdfast.check_mapping(rule);
    -- Rules of one fleet are set one after the other, so that they can be counted.
    PERFORM FROM holdfast.fleet f WHERE f.name = set_mapping.fleet FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no fleet %', coalesce(quote_literal(set_mapping.fleet), 'null')
            USING ERRCODE = '22023', DETAIL = 'Mapping rules belong to a fleet.',
                  HINT = 'Look at the view holdfast.fleets, or make it with holdfast.set_fleet.';
    END IF;
    SELECT m.* INTO before FROM holdfast.mapping m
     WHERE m.fleet = rule.fleet AND m.name = rule.name;
    before.updated_at := rule.updated_at;
    IF before IS NOT DISTINCT FROM rule THEN
        RETURN;
    END IF;
    DELETE FROM holdfast.mapping m WHERE m.fleet = rule.fleet AND m.name = rule.name;
    INSERT INTO holdfast.mapping VALUES (rule.*);
    SELECT count(DISTINCT (m.devices, m.modules, m.subjects, m.with_property, m.with_value)), count(*)
      INTO ways, rules
      FROM holdfast.mapping m
     WHERE m.fleet = rule.fleet;
    IF ways > most_ways OR rules > most_rules THEN
        RAISE EXCEPTION 'fleet % has too many mapping rules', quote_literal(rule.fleet)
            USING ERRCODE = '22023',
                  DETAIL = format('There are %s rules, which choose events in %s ways; at most %s and %s can be.',
                                  rules, ways, most_rules, most_ways),
                  HINT = 'Let rules share patterns of devices and modules, or make fleets of what differs.';
    END IF;
    PERFORM holdfast.bump('config');
    PERFORM holdfast.add_event('config', NULL, 'mapping ' || rule.fleet || '/' || rule.name,
                               'mapping set', 'by ' || session_user);
END
$$;
COMMENT ON FUNCTION holdfast.set_mapping(text, text, text, text, text, text, jsonb, text, text, text, text, text, text, text, int, text, text) IS
    'Makes or changes a rule for the payloads of a fleet: which value becomes which property; running nodes follow';
