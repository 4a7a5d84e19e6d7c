-- resume_hub(hub)
-- Purpose: ends pause_hub(): its partitions are read on from their checkpoints. Partitions that are
--          paused by themselves stay so. A hub that is not paused stays as it is.
-- Returns: nothing; the leader acts on it within a second.
-- Errors: 22023 no such hub.   Calls: set_pause.   Tables: none itself.
CREATE OR REPLACE FUNCTION holdfast.resume_hub(hub text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_pause(hub, '', NULL);
END
$$;
COMMENT ON FUNCTION holdfast.resume_hub(text) IS 'Ends pause_hub(): the hub is read on from its checkpoints';
