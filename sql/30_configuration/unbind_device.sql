-- unbind_device(fleet, device, module)
-- Purpose: takes a binding away. If the fleet's rule allows the device, it binds it again when the
--          device is next seen: to keep it out, change the rule.
-- Returns: whether there was one.   Calls: bump.   Tables: binding (delete).
CREATE OR REPLACE FUNCTION holdfast.unbind_device(fleet text, device text, module text DEFAULT '')
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    DELETE FROM holdfast.binding b
     WHERE b.fleet = unbind_device.fleet AND b.device = unbind_device.device
       AND b.module = coalesce(unbind_device.module, '');
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM holdfast.bump('bindings');
    RETURN true;
END
$$;
COMMENT ON FUNCTION holdfast.unbind_device(text, text, text) IS
    'Takes a binding away; the fleet''s rule may bind the device again when it is next seen';
