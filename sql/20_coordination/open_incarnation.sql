-- open_incarnation(node, ttl_ms)
-- Purpose: when the server has begun a new life, opens its incarnation: lets tokens jump, ends every
--          session of the old one, and reserves their partitions for their nodes for one TTL from
--          now (the longest of theirs, the joiner's and the setting's). Leases are not reserved.
-- Parameters: node: who joins; ttl_ms: its TTL.
-- Returns: uuid of the open incarnation.
-- Calls: incarnation_current, database_identity, live_timeline, raise_tokens, end_sessions, add_event.
-- Tables: incarnation_live (insert, delete), incarnation_history (insert), cluster (update), session (read).
--          Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.open_incarnation(node text, ttl_ms int) RETURNS uuid
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_live uuid := incarnation_current();
    v_now  constant timestamptz := clock_timestamp();
    v_old  int[];
    v_keep timestamptz;
BEGIN
    IF v_live IS NOT NULL THEN
        RETURN v_live;
    END IF;
    PERFORM raise_tokens((extract(epoch FROM v_now) * 1000000)::bigint);

    SELECT coalesce(array_agg(s.session_id ORDER BY s.session_id), '{}'),
           v_now + ms(greatest(max(s.ttl_ms), open_incarnation.ttl_ms, setting_ms('ttl_ms')))
      INTO v_old, v_keep
      FROM session s
     WHERE s.ended_at IS NULL;

    DELETE FROM incarnation_live;
    INSERT INTO incarnation_live (incarnation, postmaster_start, system_identifier, timeline, began_at)
    SELECT gen_random_uuid(), pg_postmaster_start_time(), database_identity(), live_timeline(), v_now
    RETURNING incarnation INTO v_live;
    INSERT INTO incarnation_history (incarnation, postmaster_start, system_identifier, timeline, began_at,
                                     reserved_until, first_token, opened_by)
    SELECT l.incarnation, l.postmaster_start, l.system_identifier, l.timeline, l.began_at, v_keep,
           t.last_value + CASE WHEN t.is_called THEN 1 ELSE 0 END, open_incarnation.node
      FROM incarnation_live l
     CROSS JOIN token t;
    UPDATE cluster c SET reserved_until = v_keep;

    PERFORM end_sessions(v_old, 'restart', true);
    PERFORM add_event('incarnation', open_incarnation.node, NULL,
                      'The database server began a new life',
                      format('Sessions that ended with it: %s. Their partitions are reserved for their nodes until %s.',
                             cardinality(v_old), v_keep));
    RETURN v_live;
END
$$;
COMMENT ON FUNCTION holdfast.open_incarnation(text, int) IS 'Internal: opens a new incarnation when the server has begun a new life';
