-- restart_destination(name)
-- Purpose: lets every node try the destination at once, whatever it has seen of it: after ThingWorx,
--          a right or a key was mended. Nothing is lost or sent twice by it.
-- Returns: nothing; raises P0002.
-- Calls: bump, add_event.   Tables: destination (update).
CREATE OR REPLACE FUNCTION holdfast.restart_destination(name text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    UPDATE holdfast.destination d
       SET restarts = d.restarts + 1
     WHERE d.name = restart_destination.name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no destination %', quote_literal(restart_destination.name)
            USING ERRCODE = 'P0002', DETAIL = 'Destinations are made with set_destination.',
                  HINT = 'SELECT name, state FROM holdfast.destinations shows them.';
    END IF;
    PERFORM holdfast.bump('config');
    PERFORM holdfast.add_event('config', NULL, 'destination ' || restart_destination.name,
                               'destination restarted', 'by ' || session_user);
END
$$;
COMMENT ON FUNCTION holdfast.restart_destination(text) IS
    'Lets every node try the destination at once, after it was mended';
