-- add_dead_letters(session_key, partition_ids, tokens, devices, ...)
-- Purpose: keep_dead_letters for nodes of the version before, without contexts.
-- Parameters, Returns: as there; raises HF002, 22023.
-- Calls: keep_dead_letters.   Tables: none.
CREATE OR REPLACE FUNCTION holdfast.add_dead_letters(
    session_key uuid, partition_ids int[], tokens bigint[], devices text[], modules text[],
    offsets text[], sequences bigint[], enqueued_ms bigint[], reasons text[], details text[],
    properties text[], payloads bytea[], attempts int[])
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    RETURN holdfast.keep_dead_letters(
        session_key, partition_ids, tokens, devices, modules, offsets, sequences, enqueued_ms,
        reasons, details, properties, payloads, attempts,
        ARRAY(SELECT '{}'::jsonb FROM generate_series(1, cardinality(partition_ids))));
END
$$;
COMMENT ON FUNCTION holdfast.add_dead_letters(uuid, int[], bigint[], text[], text[], text[], bigint[], bigint[], text[], text[], text[], bytea[], int[]) IS
    'For nodes of the version before: keep_dead_letters without contexts';
