-- bump(what)
-- Purpose: tells nodes that something changed: raises a counter that poll() returns, and notifies.
--          The counters stand apart from `cluster`: an administrator's open transaction must not
--          hold up sweeps.
-- Parameters: what: config, bindings, or wishes (what administrators ask of the plan).
-- Returns: nothing.   Calls: nothing.   Tables: version (update).   Internal.
CREATE OR REPLACE FUNCTION holdfast.bump(what text) RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE version v SET value = v.value + 1 WHERE v.what = bump.what;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('There is no version called "%s"', what),
            DETAIL = 'Versions are config, bindings and wishes.',
            HINT = 'This is a fault in a function that calls bump().';
    END IF;
    PERFORM pg_notify('holdfast', CASE what WHEN 'wishes' THEN 'members' ELSE what END);
END
$$;
COMMENT ON FUNCTION holdfast.bump(text) IS 'Internal: raises a version counter and notifies the nodes';
