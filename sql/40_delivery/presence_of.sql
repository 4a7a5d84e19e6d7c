-- presence_of(session_key, partition_id)
-- Purpose: the Things that were heard of on a partition, for the node that reads it from now on.
-- Returns: thing, device, module; raises HF002.
-- Calls: session_of.   Tables: presence (read).
CREATE OR REPLACE FUNCTION holdfast.presence_of(session_key uuid, partition_id int)
RETURNS TABLE (thing text, device text, module text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM holdfast.session_of(session_key);
    RETURN QUERY
        SELECT x.thing, x.device, x.module FROM holdfast.presence x
         WHERE x.partition_id = presence_of.partition_id;
END
$$;
COMMENT ON FUNCTION holdfast.presence_of(uuid, int) IS
    'For nodes: the Things that were heard of on a partition';
