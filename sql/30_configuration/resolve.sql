-- resolve(session_key, fleet, devices, modules)
-- Purpose: which Things the devices of a batch write to. Devices without a binding are bound by the
--          fleet's rule, or recorded as unbound.
-- Parameters: two arrays of one length; module '' or null: the device itself.
-- Returns: one row per distinct (device, module); thing null: unbound; raises HF002, 22023; 55P03 when
--          somebody else is at these bindings for longer than 500 ms: checkpoints wait behind this call.
-- Calls: session_of, bind_by_rule, things_of.   Tables: none itself.
CREATE OR REPLACE FUNCTION holdfast.resolve(session_key uuid, fleet text, devices text[],
                                            modules text[])
RETURNS TABLE (device text, module text, thing text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET lock_timeout = '500ms'
AS $$
#variable_conflict use_column
DECLARE
    -- Sorted, so that nodes that meet the same new devices at once do not deadlock.
    found_devices text[];
    found_modules text[];
    found_things text[];
BEGIN
    PERFORM holdfast.session_of(resolve.session_key);
    IF cardinality(devices) IS DISTINCT FROM cardinality(modules) THEN
        RAISE EXCEPTION 'the arrays differ in length'
            USING ERRCODE = '22023',
                  DETAIL = format('There are %s devices and %s modules.', cardinality(devices),
                                  cardinality(modules)),
                  HINT = 'Give one module for each device, empty for the device itself.';
    END IF;
    SELECT array_agg(w.device), array_agg(w.module)
      INTO found_devices, found_modules
      FROM (SELECT DISTINCT x.device COLLATE "C" AS device,
                   coalesce(x.module, '') COLLATE "C" AS module
              FROM unnest(devices, modules) AS x (device, module)
             ORDER BY 1, 2) AS w;
    found_things := holdfast.things_of(resolve.fleet, found_devices, found_modules);
    IF array_position(found_things, NULL) IS NOT NULL THEN
        -- What a crash forgets, the rule binds again; checkpoints wait behind this call.
        PERFORM set_config('synchronous_commit', 'off', true);
        BEGIN
            PERFORM holdfast.bind_by_rule(resolve.fleet, found_devices, found_modules, found_things);
        EXCEPTION WHEN lock_not_available THEN
            RAISE EXCEPTION 'the bindings of fleet % are being changed', quote_literal(resolve.fleet)
                USING ERRCODE = '55P03',
                      DETAIL = 'A transaction that is still open has changed the fleet or bound these devices.',
                      HINT = 'Nothing is lost: the node asks again. If an administrator has left a transaction open, end it (pg_stat_activity shows it).';
        END;
        found_things := holdfast.things_of(resolve.fleet, found_devices, found_modules);
    END IF;
    RETURN QUERY SELECT * FROM unnest(found_devices, found_modules, found_things);
END
$$;
COMMENT ON FUNCTION holdfast.resolve(uuid, text, text[], text[]) IS
    'For nodes: the Things of a batch of devices; binds by rule, records what is unbound';
