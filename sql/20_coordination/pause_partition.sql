-- pause_partition(hub, partition, reason)
-- Purpose: nobody shall read the partition until resume_partition(), as pause_hub() does for a hub.
-- Parameters: hub, partition: as in the view partitions; reason: for whoever finds it paused.
-- Returns: nothing; the leader acts on it within a second (see the view partitions).
-- Errors: 22023 no such partition, or no reason.   Calls: require_partition, set_pause.   Tables: none itself.
CREATE OR REPLACE FUNCTION holdfast.pause_partition(hub text, partition text, reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM require_partition(hub, partition);
    PERFORM set_pause(hub, partition, coalesce(reason, ''));
END
$$;
COMMENT ON FUNCTION holdfast.pause_partition(text, text, text) IS 'Nobody reads the partition until resume_partition(); its checkpoint is kept';
