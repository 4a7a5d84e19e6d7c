-- drop_hub(name)
-- Purpose: removes a hub for good, with its partitions, checkpoints and their history. Removing one
--          that is not there does nothing.
-- Returns: nothing; raises 55006 while it is enabled, a node owns a partition of it, or dead letters
--          of it are kept.
-- Calls: lock_cluster, bump, add_event.
-- Tables: hub (delete, cascades to what belongs to it), partition, dead_letter (read).
CREATE OR REPLACE FUNCTION holdfast.drop_hub(name text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    hub holdfast.hub;
    owned bigint;
    kept bigint;
BEGIN
    -- The hub first: other administrators' open transactions are not waited for under the lock on cluster.
    PERFORM FROM holdfast.hub h WHERE h.name = drop_hub.name FOR UPDATE;
    -- It takes partitions away, so it queues with everything that changes assignment.
    PERFORM holdfast.lock_cluster();
    SELECT h.* INTO hub FROM holdfast.hub h WHERE h.name = drop_hub.name FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT count(*) INTO owned
      FROM holdfast.partition p
     WHERE p.hub = drop_hub.name AND p.owner_session_id IS NOT NULL;
    IF hub.enabled OR owned > 0 THEN
        RAISE EXCEPTION 'hub % is in use', quote_literal(drop_hub.name)
            USING ERRCODE = '55006',
                  DETAIL = format('It is %s, and nodes own %s of its partitions.',
                                  CASE WHEN hub.enabled THEN 'enabled' ELSE 'disabled' END, owned),
                  HINT = 'Disable it with holdfast.set_hub(..., enabled => false) and wait until no node owns a partition of it.';
    END IF;
    SELECT count(*) INTO kept
      FROM holdfast.dead_letter d
     WHERE d.hub = drop_hub.name AND d.state IN ('kept', 'requested');
    IF kept > 0 THEN
        RAISE EXCEPTION 'hub % has dead letters', quote_literal(drop_hub.name)
            USING ERRCODE = '55006',
                  DETAIL = format('%s are kept; without the hub nobody could replay them.', kept),
                  HINT = 'Replay or discard them first: see the view holdfast.dead_letters.';
    END IF;
    DELETE FROM holdfast.hub h WHERE h.name = drop_hub.name;
    PERFORM holdfast.bump('config');
    PERFORM holdfast.add_event('config', NULL, 'hub ' || drop_hub.name, 'hub dropped',
                               'by ' || session_user);
END
$$;
COMMENT ON FUNCTION holdfast.drop_hub(text) IS
    'Removes a disabled hub for good, with its partitions and checkpoints';
