-- resume_partition(hub, partition)
-- Purpose: ends pause_partition(): the partition is read on from its checkpoint, unless its hub is
--          paused too. A partition that is not paused stays as it is.
-- Returns: nothing; the leader acts on it within a second.
-- Errors: 22023 no such partition.   Calls: require_partition, set_pause.   Tables: none itself.
CREATE OR REPLACE FUNCTION holdfast.resume_partition(hub text, partition text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM require_partition(hub, partition);
    PERFORM set_pause(hub, partition, NULL);
END
$$;
COMMENT ON FUNCTION holdfast.resume_partition(text, text) IS 'Ends pause_partition(): the partition is read on from its checkpoint';
