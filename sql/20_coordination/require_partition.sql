-- require_partition(hub, partition)
-- Purpose: the number of a partition that the hub has; refuses (22023) names that nobody knows.
-- Returns: partition_id.   Calls: nothing.   Tables: partition (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.require_partition(hub text, partition text) RETURNS int
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_id int;
BEGIN
    SELECT p.partition_id INTO v_id
      FROM partition p
     WHERE p.hub = $1 AND p.partition = $2 AND p.retired_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('There is no partition "%s" of hub "%s"', $2, $1),
            DETAIL = 'The leader registers partitions when it has read them from the hub.',
            HINT = 'SELECT hub, partition FROM holdfast.partitions shows them.';
    END IF;
    RETURN v_id;
END
$$;
COMMENT ON FUNCTION holdfast.require_partition(text, text) IS 'Internal: the number of a partition; raises 22023 when there is none';
