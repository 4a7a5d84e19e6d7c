-- set_fleet(name, destination, thing_template, auto_bind, device_pattern, time_member)
-- Purpose: makes or changes a fleet, a set of hubs that share device identities, and the rule that
--          binds its devices to Things. Idempotent; running nodes follow. Bindings that the rule
--          made follow the rule: renamed by a new template, dropped when the pattern excludes them.
-- Parameters: thing_template: text with {device} and, perhaps, {module}; auto_bind: whether the rule
--             is applied to devices that are seen for the first time; device_pattern: regular
--             expression that they must match, null for any; time_member: JSON member with the
--             event's own time, null for the enqueued time.
-- Returns: nothing; raises 22023.
-- Calls: check_name, check_rule, check_length, thing_of, bump, add_event.
-- Tables: fleet (insert, update), binding (update, delete).
CREATE OR REPLACE FUNCTION holdfast.set_fleet(
    name text, destination text, thing_template text DEFAULT '{device}',
    auto_bind boolean DEFAULT true, device_pattern text DEFAULT NULL,
    time_member text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM holdfast.check_name('fleet', set_fleet.name);
    PERFORM holdfast.check_rule(set_fleet.thing_template, set_fleet.device_pattern);
    PERFORM holdfast.check_length('time_member', set_fleet.time_member, 256);
    IF set_fleet.auto_bind IS NULL OR set_fleet.time_member = '' THEN
        RAISE EXCEPTION '% is empty',
                CASE WHEN set_fleet.auto_bind IS NULL THEN 'auto_bind' ELSE 'time_member' END
            USING ERRCODE = '22023', DETAIL = 'It has no meaning when empty.',
                  HINT = 'auto_bind is true or false; time_member is the name of a JSON member, or null.';
    END IF;
    IF NOT EXISTS (SELECT FROM holdfast.destination d WHERE d.name = set_fleet.destination) THEN
        RAISE EXCEPTION 'there is no destination %',
                coalesce(quote_literal(set_fleet.destination), 'null')
            USING ERRCODE = '22023', DETAIL = 'A fleet delivers to one destination.',
                  HINT = 'Make it first with holdfast.set_destination.';
    END IF;

    INSERT INTO holdfast.fleet AS f
        (name, destination, thing_template, auto_bind, device_pattern, time_member)
    VALUES (set_fleet.name, set_fleet.destination, set_fleet.thing_template, set_fleet.auto_bind,
            set_fleet.device_pattern, set_fleet.time_member)
    ON CONFLICT (name) DO UPDATE
       SET destination = excluded.destination, thing_template = excluded.thing_template,
           auto_bind = excluded.auto_bind, device_pattern = excluded.device_pattern,
           time_member = excluded.time_member, updated_at = clock_timestamp()
     WHERE (f.destination, f.thing_template, f.auto_bind, f.device_pattern, f.time_member)
        IS DISTINCT FROM
           (excluded.destination, excluded.thing_template, excluded.auto_bind,
            excluded.device_pattern, excluded.time_member);
    IF NOT FOUND THEN
        RETURN;
    END IF;

    DELETE FROM holdfast.binding b
     WHERE b.fleet = set_fleet.name AND b.source = 'rule'
       AND b.device !~ set_fleet.device_pattern;
    UPDATE holdfast.binding b
       SET thing = holdfast.thing_of(set_fleet.thing_template, b.device, b.module)
     WHERE b.fleet = set_fleet.name AND b.source = 'rule'
       AND b.thing <> holdfast.thing_of(set_fleet.thing_template, b.device, b.module);

    PERFORM holdfast.bump('config');
    -- What nodes remember of devices, that they are unbound above all, may no longer hold.
    PERFORM holdfast.bump('bindings');
    PERFORM holdfast.add_event('config', NULL, 'fleet ' || set_fleet.name, 'fleet set',
                               'by ' || session_user);
END
$$;
COMMENT ON FUNCTION holdfast.set_fleet(text, text, text, boolean, text, text) IS
    'Makes or changes a fleet and the rule that binds its devices to Things; running nodes follow';
