-- node_quotas()
-- Purpose: how many partitions each live node should own, for the view nodes: quotas() for readers.
-- Returns: per live node its quota.   Calls: quotas.   Tables: none itself.
CREATE OR REPLACE FUNCTION holdfast.node_quotas() RETURNS TABLE (node text, quota bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT q.node, q.quota FROM quotas() q;
END
$$;
COMMENT ON FUNCTION holdfast.node_quotas() IS 'How many partitions each live node should own; read the view nodes';
