-- bind_devices(fleet, devices, things, modules)
-- Purpose: binds many devices to Things by row, whatever the rule says. Idempotent; nodes follow.
--          One call for a thousand devices costs one change of the version that nodes watch.
-- Parameters: three arrays of one length; modules null: all are devices; a module '' is the device.
-- Returns: how many bindings are new or changed; raises 22023.
-- Calls: check_length, bump.   Tables: fleet (lock), binding (insert, update), unbound_device (delete).
CREATE OR REPLACE FUNCTION holdfast.bind_devices(fleet text, devices text[], things text[],
                                                 modules text[] DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    changed bigint;
BEGIN
    -- Shared with other bindings, against a drop of the fleet.
    PERFORM FROM holdfast.fleet f WHERE f.name = bind_devices.fleet FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no fleet %', coalesce(quote_literal(bind_devices.fleet), 'null')
            USING ERRCODE = '22023', DETAIL = 'Bindings belong to a fleet.',
                  HINT = 'Look at the view holdfast.fleets, or make it with holdfast.set_fleet.';
    END IF;
    IF cardinality(devices) IS DISTINCT FROM cardinality(things)
       OR cardinality(devices) <> cardinality(modules) THEN
        RAISE EXCEPTION 'the arrays differ in length'
            USING ERRCODE = '22023',
                  DETAIL = format('There are %s devices, %s things and %s modules.',
                                  cardinality(devices), cardinality(things), cardinality(modules)),
                  HINT = 'Give one Thing, and one module if any, for each device.';
    END IF;
    IF EXISTS (SELECT FROM unnest(devices, things) AS w (device, thing)
                WHERE coalesce(w.device, '') = '' OR coalesce(w.thing, '') = ''
                   OR w.thing <> btrim(w.thing) OR w.thing ~ '[[:cntrl:]]') THEN
        RAISE EXCEPTION 'a device or a Thing has no name'
            USING ERRCODE = '22023',
                  DETAIL = 'It is null or empty, or the Thing has blanks around its name or control characters in it.',
                  HINT = 'Give the name of the Thing as ThingWorx has it; use unbind_device to take a binding away.';
    END IF;
    PERFORM holdfast.check_length('a device', w.device, 512), holdfast.check_length('a module', w.module, 512),
            holdfast.check_length('a Thing', w.thing, 1024)
       FROM unnest(devices, modules, things) AS w (device, module, thing)
      WHERE octet_length(w.device) > 512 OR octet_length(w.module) > 512 OR octet_length(w.thing) > 1024;
    IF EXISTS (SELECT FROM unnest(devices, modules) AS w (device, module)
                GROUP BY w.device, coalesce(w.module, '') HAVING count(*) > 1) THEN
        RAISE EXCEPTION 'a device is named twice'
            USING ERRCODE = '22023', DETAIL = 'A device, or a module of one, writes to one Thing.',
                  HINT = 'Name each device and module once.';
    END IF;

    INSERT INTO holdfast.binding AS b (fleet, device, module, thing, source)
    SELECT bind_devices.fleet, w.device, coalesce(w.module, ''), w.thing, 'row'
      FROM unnest(devices, things, modules) AS w (device, thing, module)
     ORDER BY w.device COLLATE "C", coalesce(w.module, '') COLLATE "C"
    ON CONFLICT (fleet, device, module) DO UPDATE
       SET thing = excluded.thing, source = 'row', created_at = clock_timestamp()
     WHERE (b.thing, b.source) IS DISTINCT FROM (excluded.thing, 'row');
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed > 0 THEN
        DELETE FROM holdfast.unbound_device u
         USING unnest(devices, modules) AS w (device, module)
         WHERE u.fleet = bind_devices.fleet AND u.device = w.device
           AND u.module = coalesce(w.module, '');
        PERFORM holdfast.bump('bindings');
    END IF;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION holdfast.bind_devices(text, text[], text[], text[]) IS
    'Binds many devices to Things, whatever the fleet''s rule says; running nodes follow';
