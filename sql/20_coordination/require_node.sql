-- require_node(node)
-- Purpose: refuses (22023) a node that has never joined.
-- Returns: nothing.   Calls: nothing.   Tables: node (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.require_node(node text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM node n WHERE n.name = require_node.node) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('There is no node "%s"', node),
            DETAIL = 'A node is known once it has joined for the first time.',
            HINT = 'SELECT node FROM holdfast.nodes shows the names.';
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.require_node(text) IS 'Internal: raises 22023 for a node that has never joined';
