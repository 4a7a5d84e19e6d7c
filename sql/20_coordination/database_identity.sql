-- database_identity()
-- Purpose: which database this is, for as long as its data goes on: the server's system identifier,
--          which standbys and physical backups share, and the number of a table of this schema, which a
--          dump that is restored does not share, not even on the same server.
-- Returns: text, as it stands in incarnation_live and incarnation_history.
-- Calls: nothing.   Tables: none.   Internal.
CREATE OR REPLACE FUNCTION holdfast.database_identity() RETURNS text
LANGUAGE sql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    SELECT c.system_identifier || '/' || 'holdfast.incarnation_live'::regclass::oid FROM pg_control_system() c
$$;
COMMENT ON FUNCTION holdfast.database_identity() IS 'Internal: which database this is; a restored dump is another one';
