-- bind_device(fleet, device, thing, module)
-- Purpose: binds one device, or a module of it, to a Thing. Idempotent; running nodes follow.
-- Returns: nothing; raises 22023.   Calls: bind_devices.   Tables: none itself.
CREATE OR REPLACE FUNCTION holdfast.bind_device(fleet text, device text, thing text,
                                                module text DEFAULT '')
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM holdfast.bind_devices(fleet, ARRAY[device], ARRAY[thing], ARRAY[module]);
END
$$;
COMMENT ON FUNCTION holdfast.bind_device(text, text, text, text) IS
    'Binds a device, or a module of it, to a Thing, whatever the fleet''s rule says; running nodes follow';
