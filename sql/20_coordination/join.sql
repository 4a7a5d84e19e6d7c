-- join(node, protocol, version, previous_key, highest_token, capacity, lease_ttl_ms, watch_pid, work_pid)
-- Purpose: registers a session and takes its lease: the lock with its number, on this connection,
--          before its row becomes visible. ANY ERROR MAY LEAVE THE LOCK BEHIND: the caller must close
--          this connection after an error, whatever the error is.
--          Sweeps: ends dead sessions, the node's own last one among them, opens the next terms,
--          places what has no owner. Adopts what the node's last session owned, or what is reserved
--          for it after a restart of the database, or after a cut that has ended all sessions: under the
--          same token when previous_key proves that the caller was that session, on the same timeline; by
--          its name alone under fresh tokens.
-- Parameters: node: stable name; protocol: 1; version: of the program, for people; previous_key: key of
--             the last session of this process, or null; highest_token: greatest token that the
--             process has ever seen, or null; capacity: share of partitions relative to other nodes;
--             lease_ttl_ms: time to live, equal to idle_session_timeout of this connection;
--             watch_pid, work_pid: pg_backend_pid() of the node's other connections.
-- Returns: one row: number and key of the session, system identifier and timeline of the server,
--          incarnation, TTL.
-- Errors: HF001 the name is in use (after a wait of up to one TTL), HF003 protocol, HF004 wrong
--         backends, HF005 a setting weakens the lease, 22023 bad arguments.
-- Calls: check_lease_backend, await_name, refuse_name, lock_cluster, raise_tokens, open_incarnation,
--        dead_sessions, terminate_backends, reserve_after_cut, end_sessions, steady_at, open_terms,
--        grant_partitions, place_free.
-- Tables: node (lock, upsert), session (insert), partition, cluster (update).
CREATE OR REPLACE FUNCTION holdfast.join(node text, protocol int, version text, previous_key uuid,
                                         highest_token bigint, capacity int, lease_ttl_ms int,
                                         watch_pid int, work_pid int)
RETURNS TABLE (session_id int, session_key uuid, system_identifier text, timeline int,
               incarnation uuid, ttl_ms int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_live     incarnation_live;
    v_previous session;
    v_dead     int[];
    v_replaced boolean := false;
    v_reserve  boolean;
    v_ids      int[];
    v_tokens   bigint[];
    v_id       int;
    v_key      uuid;
    v_steady   timestamptz;
BEGIN
    IF protocol IS DISTINCT FROM 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'HF003',
            MESSAGE = format('Protocol version %s is not supported', coalesce($2::text, 'null')),
            DETAIL = 'This database speaks version 1.',
            HINT = 'Run "holdfast migrate" of the newer program first, or a program that fits the database.';
    ELSIF coalesce($1, '') = '' OR length($1) > 200 OR $3 IS NULL OR coalesce($6, 0) NOT BETWEEN 1 AND 1000000
          OR coalesce($7, 0) NOT BETWEEN 100 AND 600000 THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = 'join() was called with an argument out of range',
            DETAIL = format('node "%s" (1 to 200 characters), version "%s", capacity %s (1 to 1000000), lease_ttl_ms %s (100 to 600000).', $1, $3, $6, $7),
            HINT = 'Correct the node''s name, capacity or time to live.';
    END IF;
    PERFORM check_lease_backend($7, $8, $9);
    PERFORM await_name($1, $4, $7);

    -- Before the lock on cluster: an administrator's open transaction may hold this row, and nobody but
    -- this node shall wait for it.
    INSERT INTO node (name, capacity) VALUES ($1, $6) ON CONFLICT (name) DO NOTHING;
    PERFORM FROM node n WHERE n.name = $1 FOR NO KEY UPDATE;
    PERFORM lock_cluster();
    PERFORM raise_tokens($5);
    PERFORM open_incarnation($1, $7);
    SELECT l.* INTO v_live FROM incarnation_live l;
    v_dead := dead_sessions();

    SELECT s.* INTO v_previous FROM session s WHERE s.node = $1 AND s.ended_at IS NULL;
    IF FOUND AND v_previous.session_id <> ALL (v_dead) THEN
        IF v_previous.session_key IS DISTINCT FROM $4 THEN
            PERFORM refuse_name($1, v_previous.session_id);
        END IF;
        v_replaced := true;
    END IF;
    PERFORM terminate_backends(v_dead || v_previous.session_id, ARRAY[$8, $9]);

    -- What to adopt, and under which token: null for a fresh one.
    SELECT array_agg(p.partition_id),
           array_agg(CASE WHEN s.session_key = $4 AND h.system_identifier = v_live.system_identifier
                           AND h.timeline = v_live.timeline THEN p.token END)
      INTO v_ids, v_tokens
      FROM partition p
      JOIN session s ON s.session_id = coalesce(p.owner_session_id, p.reserved_session_id)
      JOIN incarnation_history h ON h.incarnation = s.incarnation
      JOIN hub ON hub.name = p.hub AND hub.enabled
     WHERE (p.owner_session_id = v_previous.session_id OR p.reserved_node = $1) AND p.retired_at IS NULL;
    -- Moves away from it are called off: who comes back is not inherited from.
    UPDATE partition p
       SET state = 'owned', successor_session_id = NULL, move_deadline = NULL, move_reason = NULL
     WHERE p.owner_session_id = v_previous.session_id AND p.state = 'releasing';

    -- Its own first: a move to it dies with it, and is not inherited by a session that is over.
    v_reserve := reserve_after_cut(v_dead, v_previous.session_id, $4, $7);
    PERFORM end_sessions(array_remove(ARRAY[v_previous.session_id], NULL),
                         CASE WHEN v_replaced THEN 'replaced' ELSE 'died' END);
    PERFORM end_sessions(array_remove(v_dead, v_previous.session_id), 'died', v_reserve);

    v_steady := steady_at($1);
    UPDATE node n
       SET capacity = $6, last_joined = clock_timestamp(), steady_at = v_steady
     WHERE n.name = $1;
    v_id := nextval('session_number');
    -- From here on an error leaves the lock behind.
    IF NOT pg_try_advisory_lock(lock_class(), v_id) THEN
        RAISE EXCEPTION USING ERRCODE = 'HF004',
            MESSAGE = format('The lock of the new session %s is held by somebody else', v_id),
            DETAIL = format('Advisory locks (%s, n) belong to Holdfast.', lock_class()),
            HINT = 'Look in pg_locks for the program that uses them and give it a database of its own.';
    END IF;
    INSERT INTO session (session_id, node, incarnation, protocol, version, ttl_ms, lease_pid, lease_start,
                         watch_pid, watch_start, work_pid, work_start, client_addr, joined_at)
    SELECT v_id, $1, v_live.incarnation, $2, $3, $7, lease.pid, lease.backend_start, watch.pid,
           watch.backend_start, work.pid, work.backend_start, lease.client_addr, clock_timestamp()
      FROM pg_stat_get_activity(pg_backend_pid()) lease
      JOIN pg_stat_get_activity($8) watch ON watch.pid = $8
      JOIN pg_stat_get_activity($9) work ON work.pid = $9
    RETURNING session.session_key INTO STRICT v_key;

    PERFORM open_terms(v_id);
    PERFORM grant_partitions(v_ids, array_fill(v_id, ARRAY[coalesce(cardinality(v_ids), 0)]), 'adopted', v_tokens);
    -- What was kept for the node and is not given to it (its hub is disabled) is kept no longer, and loses
    -- its token: nobody may write under it, least of all what was true on another timeline.
    UPDATE partition p SET reserved_node = NULL, reserved_session_id = NULL WHERE p.reserved_node = $1;
    PERFORM place_free();
    UPDATE cluster c SET rebalance_at = coalesce(c.rebalance_at, clock_timestamp() + ms(setting_ms('rebalance_delay_ms')));
    PERFORM add_event('join', $1, format('session %s', v_id), 'A node joined',
                      format('Version %s, capacity %s, TTL %s ms; it adopted %s partitions.',
                             $3, $6, $7, coalesce(cardinality(v_ids), 0)));
    IF v_steady IS NOT NULL THEN
        PERFORM add_event('node', $1, format('session %s', v_id), 'A node that dies again and again waits for partitions',
                          format('It keeps what it adopted and gets no more until %s.', v_steady),
                          'See why it dies: its log, its memory, its way to the database. set_setting(''flap_hold_ms'', ''0'') ends such waits.');
    END IF;
    PERFORM pg_notify('holdfast', 'members');
    -- The server's own part: what nodes compare between hosts.
    RETURN QUERY SELECT v_id, v_key, split_part(v_live.system_identifier, '/', 1), v_live.timeline, v_live.incarnation, $7;
END
$$;
COMMENT ON FUNCTION holdfast.join(text, int, text, uuid, bigint, int, int, int, int) IS
    'Registers a node''s session and takes its lease on this connection; after any error close the connection';
