-- drop_fleet(name)
-- Purpose: removes a fleet that nothing uses any more. Removing one that is not there does nothing.
-- Returns: nothing; raises 55006 while a hub uses it.
-- Calls: bump, add_event.   Tables: fleet (delete), binding (delete), hub (read).
CREATE OR REPLACE FUNCTION holdfast.drop_fleet(name text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    users text;
BEGIN
    -- Against a hub that is set at the same time: its foreign key needs a share of this lock.
    PERFORM FROM holdfast.fleet t WHERE t.name = drop_fleet.name FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT string_agg(u.name, ', ' ORDER BY u.name)
      INTO users
      FROM holdfast.hub u
     WHERE u.fleet = drop_fleet.name;
    IF users IS NOT NULL THEN
        RAISE EXCEPTION 'fleet % is in use', quote_literal(drop_fleet.name)
            USING ERRCODE = '55006', DETAIL = format('It is used by hubs: %s.', users),
                  HINT = 'Drop or change them first.';
    END IF;
    DELETE FROM holdfast.binding b WHERE b.fleet = drop_fleet.name;
    DELETE FROM holdfast.fleet t WHERE t.name = drop_fleet.name;
    PERFORM holdfast.bump('config');
    PERFORM holdfast.add_event('config', NULL, 'fleet ' || drop_fleet.name, 'fleet dropped',
                               'by ' || session_user);
END
$$;
COMMENT ON FUNCTION holdfast.drop_fleet(text) IS 'Removes a fleet that no hub uses any more';
