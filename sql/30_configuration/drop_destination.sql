-- drop_destination(name)
-- Purpose: removes a destination that nothing uses any more. Removing one that is not there does nothing.
-- Returns: nothing; raises 55006 while a fleet uses it.
-- Calls: bump, add_event.   Tables: destination (delete), fleet (read).
CREATE OR REPLACE FUNCTION holdfast.drop_destination(name text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    users text;
BEGIN
    -- Against a fleet that is set at the same time: its foreign key needs a share of this lock.
    PERFORM FROM holdfast.destination t WHERE t.name = drop_destination.name FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT string_agg(u.name, ', ' ORDER BY u.name)
      INTO users
      FROM holdfast.fleet u
     WHERE u.destination = drop_destination.name;
    IF users IS NOT NULL THEN
        RAISE EXCEPTION 'destination % is in use', quote_literal(drop_destination.name)
            USING ERRCODE = '55006', DETAIL = format('It is used by fleets: %s.', users),
                  HINT = 'Drop or change them first.';
    END IF;

    DELETE FROM holdfast.destination t WHERE t.name = drop_destination.name;
    PERFORM holdfast.bump('config');
    PERFORM holdfast.add_event('config', NULL, 'destination ' || drop_destination.name, 'destination dropped',
                               'by ' || session_user);
END
$$;
COMMENT ON FUNCTION holdfast.drop_destination(text) IS 'Removes a destination that no fleet uses any more';
