-- forget_ownerships(), trigger partition_forgotten of partition
-- Purpose: the history of partitions that are deleted goes with them, as with ON DELETE CASCADE; that
--          key would be checked row by row with every grant.
-- Parameters: none.   Returns: null.   Calls: nothing.   Tables: ownership (delete).   Internal.
CREATE OR REPLACE FUNCTION holdfast.forget_ownerships() RETURNS trigger
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM ownership o USING gone g WHERE o.partition_id = g.partition_id;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION holdfast.forget_ownerships() IS 'Internal: deletes the history of partitions that are deleted';
CREATE OR REPLACE TRIGGER partition_forgotten AFTER DELETE ON holdfast.partition
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION holdfast.forget_ownerships();
