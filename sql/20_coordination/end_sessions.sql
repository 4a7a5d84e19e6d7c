-- end_sessions(session_ids, reason, reserve)
-- Purpose: ends sessions and closes all that hangs off them: terms, ownerships, declines. Moves to
--          them are called off; what they were moving away goes to its successor. The rest is left
--          without an owner, its token in place: the caller adopts or places it and then fences.
-- Parameters: session_ids: none of them ended; reason: left, died, replaced or restart;
--             reserve: keep the partitions for their nodes (the database has restarted, or was cut off).
-- Returns: nothing.   Calls: close_ownerships, grant_partitions, touch_sessions, add_event.
-- Tables: session, term, lease, partition (update), decline (delete).   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.end_sessions(session_ids int[], reason text, reserve boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    v_owned      int[];
    v_inherited  int[];
    v_heirs      int[];
    v_resumed    int[];
BEGIN
    IF cardinality(session_ids) = 0 THEN
        RETURN;
    END IF;

    UPDATE session s
       SET ended_at = greatest(clock_timestamp(), s.joined_at), end_reason = reason
     WHERE s.session_id = ANY (session_ids) AND s.ended_at IS NULL;
    PERFORM add_event(CASE reason WHEN 'left' THEN 'leave' ELSE 'death' END, s.node,
                      format('session %s', s.session_id),
                      CASE reason WHEN 'left' THEN 'A node left'
                                  WHEN 'died' THEN 'A node''s lease ended: its process or its connection is gone, or it was silent for its TTL'
                                  WHEN 'replaced' THEN 'A node joined again and took its own session''s place'
                                  ELSE 'A session ended with the database''s restart' END)
       FROM session s
      WHERE s.session_id = ANY (session_ids)
      ORDER BY s.session_id;

    WITH closed AS (
        UPDATE term t
           SET during = tstzrange(lower(t.during),
                                  greatest(clock_timestamp(), lower(t.during) + interval '1 microsecond')),
               end_reason = reason
         WHERE upper_inf(t.during) AND t.session_id = ANY (session_ids)
        RETURNING t.lease, upper(t.during) AS ended)
    UPDATE lease l
       SET session_id = NULL, token = NULL, free_since = c.ended
      FROM closed c
     WHERE l.name = c.lease;

    DELETE FROM decline d WHERE d.session_id = ANY (session_ids);

    WITH called_off AS (
        UPDATE partition p
           SET state = 'owned', successor_session_id = NULL, move_deadline = NULL, move_reason = NULL
         WHERE p.successor_session_id = ANY (session_ids) AND p.owner_session_id <> ALL (session_ids)
        RETURNING p.owner_session_id)
    SELECT array_agg(DISTINCT c.owner_session_id) INTO v_resumed FROM called_off c;
    PERFORM touch_sessions(v_resumed);

    SELECT array_agg(p.partition_id),
           array_agg(p.partition_id) FILTER (WHERE heir.session_id IS NOT NULL),
           array_agg(heir.session_id) FILTER (WHERE heir.session_id IS NOT NULL)
      INTO v_owned, v_inherited, v_heirs
      FROM partition p
      LEFT JOIN session heir ON heir.session_id = p.successor_session_id AND heir.ended_at IS NULL
     WHERE p.owner_session_id = ANY (session_ids);
    IF v_owned IS NULL THEN
        RETURN;
    END IF;
    UPDATE partition p
       SET state = 'free', owner_session_id = NULL, successor_session_id = NULL,
           move_deadline = NULL, move_reason = NULL, move_again_at = NULL,
           free_since = coalesce(o.ended, p.free_since),
           reserved_node = CASE WHEN reserve THEN o.node END,
           reserved_session_id = CASE WHEN reserve THEN o.session_id END
      FROM (SELECT q.partition_id, s.session_id, s.node, c.ended
              FROM partition q
              JOIN session s ON s.session_id = q.owner_session_id
              LEFT JOIN close_ownerships(v_owned, reason) c ON c.partition_id = q.partition_id
             WHERE q.partition_id = ANY (v_owned)) o
     WHERE p.partition_id = o.partition_id;
    PERFORM grant_partitions(v_inherited, v_heirs, 'forced');
END
$$;
COMMENT ON FUNCTION holdfast.end_sessions(int[], text, boolean) IS 'Internal: ends sessions and closes all that hangs off them';
