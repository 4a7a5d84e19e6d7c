-- keep_dead_letters(session_key, partition_ids, tokens, devices, ...)
-- Purpose: put_dead_letters for nodes of the version before, which cannot hold an event back: without
--          ceilings.
-- Parameters: as there.
-- Returns: how many of the rows given are in the table now; the others came under a stale token and
--          belong to the new owner; raises HF002, 22023.
-- Calls: put_dead_letters.   Tables: none.
CREATE OR REPLACE FUNCTION holdfast.keep_dead_letters(
    session_key uuid, partition_ids int[], tokens bigint[], devices text[], modules text[],
    offsets text[], sequences bigint[], enqueued_ms bigint[], reasons text[], details text[],
    properties text[], payloads bytea[], attempts int[], contexts jsonb[])
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT count(*)
          FROM unnest(holdfast.put_dead_letters(
                   session_key, partition_ids, tokens, devices, modules, offsets, sequences,
                   enqueued_ms, reasons, details, properties, payloads, attempts, contexts, false))
               AS v (verdict)
         WHERE v.verdict = 'kept');
END
$$;
COMMENT ON FUNCTION holdfast.keep_dead_letters(uuid, int[], bigint[], text[], text[], text[], bigint[], bigint[], text[], text[], text[], bytea[], int[], jsonb[]) IS
    'For nodes of the version before: file_dead_letters without ceilings';
