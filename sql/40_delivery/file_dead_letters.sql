-- file_dead_letters(session_key, partition_ids, tokens, devices, ...)
-- Purpose: keeps events and values that ThingWorx refuses, up to the ceiling of their device.
-- Parameters: as put_dead_letters.
-- Returns: a row per letter given, in their order. verdict: kept (it is in the table now); held (its
--          device is at the ceiling: hold the event back, and try again); dropped (it is there too,
--          and an administrator has said so; counted); stale (the token is not that of the present
--          grant). Raises HF002, 22023.
-- Calls: put_dead_letters.   Tables: none.
CREATE OR REPLACE FUNCTION holdfast.file_dead_letters(
    session_key uuid, partition_ids int[], tokens bigint[], devices text[], modules text[],
    offsets text[], sequences bigint[], enqueued_ms bigint[], reasons text[], details text[],
    properties text[], payloads bytea[], attempts int[], contexts jsonb[])
RETURNS TABLE (verdict text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
        SELECT v.verdict
          FROM unnest(holdfast.put_dead_letters(
                   session_key, partition_ids, tokens, devices, modules, offsets, sequences,
                   enqueued_ms, reasons, details, properties, payloads, attempts, contexts, true))
               WITH ORDINALITY AS v (verdict, place)
         ORDER BY v.place;
END
$$;
COMMENT ON FUNCTION holdfast.file_dead_letters(uuid, int[], bigint[], text[], text[], text[], bigint[], bigint[], text[], text[], text[], bytea[], int[], jsonb[]) IS
    'For nodes: keeps events and values that ThingWorx refuses, up to the ceiling of their device; says of each what became of it';
