-- pause_hub(hub, reason)
-- Purpose: nobody shall read the hub until resume_hub(): owners finish what they have begun, save
--          their checkpoints and give its partitions up; nothing is delivered twice and nothing is lost
--          that the hub still keeps. While ThingWorx hangs an owner cannot finish: the pause then waits.
-- Parameters: hub; reason: for whoever finds it paused.
-- Returns: nothing; the leader acts on it within a second (see the view partitions).
-- Errors: 22023 no such hub, or no reason.   Calls: set_pause.   Tables: none itself.
CREATE OR REPLACE FUNCTION holdfast.pause_hub(hub text, reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_pause(hub, '', coalesce(reason, ''));
END
$$;
COMMENT ON FUNCTION holdfast.pause_hub(text, text) IS 'Nobody reads the hub until resume_hub(); checkpoints are kept';
