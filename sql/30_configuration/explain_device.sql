-- explain_device(device, module, fleet)
-- Purpose: where the events of a device would go, and by which configuration; for `holdfast explain`.
--          Changes nothing: a device that was never seen is not bound by this.
-- Parameters: module: '' is the device itself; fleet: null finds the one in which the device is bound,
--             else the only one there is.
-- Returns: fleet, Thing (null: unbound), how it comes to that, and the configuration as nodes read it;
--          raises 22023.
-- Calls: configuration_rows, thing_of.   Tables: fleet, binding (read).
CREATE OR REPLACE FUNCTION holdfast.explain_device(device text, module text DEFAULT '',
                                                   fleet text DEFAULT NULL)
RETURNS TABLE (fleet_name text, thing text, binding text, configuration jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    rule holdfast.fleet;
    row holdfast.binding;
    candidates text[];
BEGIN
    candidates := CASE
        WHEN explain_device.fleet IS NOT NULL THEN ARRAY[explain_device.fleet]
        ELSE ARRAY(SELECT b.fleet FROM holdfast.binding b
                    WHERE b.device = explain_device.device
                      AND b.module = coalesce(explain_device.module, '')
                    ORDER BY b.fleet) END;
    IF cardinality(candidates) = 0 THEN
        candidates := ARRAY(SELECT f.name FROM holdfast.fleet f ORDER BY f.name);
    END IF;
    SELECT f.* INTO rule FROM holdfast.fleet f
     WHERE f.name = candidates[1] AND cardinality(candidates) = 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the fleet of device % is not known', coalesce(quote_literal(device), 'null')
            USING ERRCODE = '22023',
                  DETAIL = format('It could be: %s.', coalesce(nullif(array_to_string(candidates, ', '), ''), 'none')),
                  HINT = 'Name a fleet of the view holdfast.fleets.';
    END IF;
    SELECT b.* INTO row FROM holdfast.binding b
     WHERE b.fleet = rule.name AND b.device = explain_device.device
       AND b.module = coalesce(explain_device.module, '');
    fleet_name := rule.name;
    configuration := holdfast.configuration_rows();
    IF row.thing IS NOT NULL THEN
        thing := row.thing;
        binding := CASE row.source WHEN 'row' THEN 'bound by an administrator'
                                   ELSE format('bound by the fleet''s rule %s', rule.thing_template) END;
    ELSIF NOT rule.auto_bind THEN
        binding := 'auto_bind is off';
    ELSIF device !~ rule.device_pattern THEN
        binding := 'device_pattern does not match';
    ELSE
        thing := holdfast.thing_of(rule.thing_template, device, coalesce(module, ''));
        binding := format('not seen yet; the fleet''s rule %s will bind it', rule.thing_template);
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION holdfast.explain_device(text, text, text) IS
    'Where the events of a device go, and by which configuration; `holdfast explain` shows what becomes of one';
