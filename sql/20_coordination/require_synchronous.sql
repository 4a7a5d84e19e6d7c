-- require_synchronous()
-- Purpose: refuses (HF007) to begin what must commit synchronously while no commit can: a synchronous
--          standby is wanted and away. The commit would wait for it without an end, no time-out of
--          PostgreSQL runs meanwhile, and behind it waits everybody who needs the lock on cluster.
-- Returns: nothing.   Calls: standbys_missing.   Tables: none.   Internal.
CREATE OR REPLACE FUNCTION holdfast.require_synchronous() RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_missing constant int := standbys_missing();
BEGIN
    IF v_missing > 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'HF007',
            MESSAGE = 'The synchronous standby is away: nothing can be granted that a fail-over would not forget',
            DETAIL = format('synchronous_standby_names is "%s", and %s of them are missing. Telemetry and checkpoints go on.',
                            current_setting('synchronous_standby_names'), v_missing),
            HINT = 'Bring the standby back (see pg_stat_replication), or take it out of synchronous_standby_names and reload.';
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.require_synchronous() IS 'Internal: raises HF007 while a commit would wait for a synchronous standby that is away';
