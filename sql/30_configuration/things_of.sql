-- things_of(fleet, devices, modules)
-- Purpose: looks bindings up, in bulk. Internal.
-- Returns: the Things, one per device and in their order, null where there is none.
-- Calls: nothing.   Tables: binding (read).
-- A sub-select per device, and no sequential scan even while the table is small: the plan is kept
-- for as long as a node's connection lives, and the table may grow to millions meanwhile.
CREATE OR REPLACE FUNCTION holdfast.things_of(fleet text, devices text[], modules text[])
RETURNS text[]
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN ARRAY(
        SELECT (SELECT b.thing
                  FROM holdfast.binding b
                 WHERE b.fleet = things_of.fleet AND b.device = w.device AND b.module = w.module)
          FROM unnest(devices, modules) WITH ORDINALITY AS w (device, module, place)
         ORDER BY w.place);
END
$$;
COMMENT ON FUNCTION holdfast.things_of(text, text[], text[]) IS
    'Internal: the Things of many devices, null where there is no binding';
