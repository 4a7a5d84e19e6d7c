-- drop_heartbeat(fleet, name)
-- Purpose: removes a heartbeat rule. Running nodes follow; what they said last stays in ThingWorx.
-- Returns: whether there was one.   Calls: bump, add_event.
-- Tables: heartbeat (delete), presence (delete, with the fleet's last rule).
CREATE OR REPLACE FUNCTION holdfast.drop_heartbeat(fleet text, name text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    DELETE FROM holdfast.heartbeat h
     WHERE h.fleet = drop_heartbeat.fleet AND h.name = drop_heartbeat.name;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF NOT EXISTS (SELECT FROM holdfast.heartbeat h WHERE h.fleet = drop_heartbeat.fleet) THEN
        DELETE FROM holdfast.presence x
         USING holdfast.partition p
          JOIN holdfast.hub b ON b.name = p.hub
         WHERE x.partition_id = p.partition_id AND b.fleet = drop_heartbeat.fleet;
    END IF;
    PERFORM holdfast.bump('config');
    PERFORM holdfast.add_event('config', NULL,
                               'heartbeat ' || drop_heartbeat.fleet || '/' || drop_heartbeat.name,
                               'heartbeat dropped', 'by ' || session_user);
    RETURN true;
END
$$;
COMMENT ON FUNCTION holdfast.drop_heartbeat(text, text) IS 'Removes a heartbeat rule; running nodes follow';
