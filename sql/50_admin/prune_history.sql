-- prune_history()
-- Purpose: deletes history older than the setting history_retention, and of each kind the oldest beyond
--          history_rows, however young: events, settled dead letters, unbound devices not seen since,
--          ended terms, ownerships and sessions, old checkpoints, lives of the database, nodes that
--          have not come back. Dead letters that are kept or wait for their replay are never deleted
--          here; settled ones go week by week (tend_dead_letters), and here where others of their week stay.
--          At most 10,000 rows of each kind go in one call, so that nobody waits for it: repeat until
--          it returns 0. The leader calls it by itself.
-- Returns: how many rows it deleted.   Calls: history_cut.
-- Tables: event_log, dead_letter, unbound_device, term, ownership, session, checkpoint_history,
--         incarnation_history, incarnation_live, node, node_report, pin, move_wish (delete), setting (read).
CREATE OR REPLACE FUNCTION holdfast.prune_history()
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    most constant int := 10000;
    before timestamptz;
    pruned bigint;
BEGIN
    SELECT clock_timestamp() - s.value::interval INTO before
      FROM holdfast.setting s
     WHERE s.name = 'history_retention';
    -- Arrays: on statistics that are old a join would look for the rows anew for each row there is.
    WITH cut AS MATERIALIZED (
        SELECT k.kind, holdfast.history_cut(k.kind, before) AS at
          FROM unnest(ARRAY['event', 'dead_letter', 'unbound_device', 'term', 'ownership', 'session',
                            'checkpoint']) AS k (kind)
    ), events AS (
        DELETE FROM holdfast.event_log
         WHERE event_id = ANY (ARRAY(
                   SELECT e.event_id FROM holdfast.event_log e
                    WHERE e.at < (SELECT c.at FROM cut c WHERE c.kind = 'event')
                    ORDER BY e.at LIMIT most))
        RETURNING 1
    ), letters AS (
        DELETE FROM holdfast.dead_letter
         WHERE dead_letter_id = ANY (ARRAY(
                   SELECT d.dead_letter_id FROM holdfast.dead_letter d
                    -- Of weeks that are not over yet only what is beyond history_rows:
                    -- tend_dead_letters() drops the others as a whole.
                    WHERE d.settled_at < (SELECT c.at FROM cut c WHERE c.kind = 'dead_letter')
                      AND (d.created_at < date_trunc('week', before, 'UTC')
                           OR before < (SELECT c.at FROM cut c WHERE c.kind = 'dead_letter'))
                    ORDER BY d.settled_at LIMIT most))
        RETURNING 1
    ), devices AS (
        DELETE FROM holdfast.unbound_device u
         WHERE u.ctid = ANY (ARRAY(
                   SELECT x.ctid FROM holdfast.unbound_device x
                    WHERE x.last_seen < (SELECT c.at FROM cut c WHERE c.kind = 'unbound_device')
                    ORDER BY x.last_seen LIMIT most))
        RETURNING 1
    ), terms AS (
        DELETE FROM holdfast.term t
         WHERE t.ctid = ANY (ARRAY(
                   SELECT x.ctid FROM holdfast.term x
                    WHERE NOT upper_inf(x.during)
                      AND upper(x.during) < (SELECT c.at FROM cut c WHERE c.kind = 'term')
                    ORDER BY upper(x.during) LIMIT most))
        RETURNING 1
    ), ownerships AS (
        DELETE FROM holdfast.ownership o
         WHERE o.ctid = ANY (ARRAY(
                   SELECT x.ctid FROM holdfast.ownership x
                    WHERE NOT upper_inf(x.during)
                      AND upper(x.during) < (SELECT c.at FROM cut c WHERE c.kind = 'ownership')
                    ORDER BY upper(x.during) LIMIT most))
        RETURNING 1
    ), sessions AS (
        DELETE FROM holdfast.session
         WHERE session_id = ANY (ARRAY(
                   SELECT s.session_id FROM holdfast.session s
                    WHERE s.ended_at < (SELECT c.at FROM cut c WHERE c.kind = 'session')
                    ORDER BY s.ended_at LIMIT most))
        RETURNING 1
    ), checkpoints AS (
        DELETE FROM holdfast.checkpoint_history h
         WHERE h.ctid = ANY (ARRAY(
                   SELECT x.ctid FROM holdfast.checkpoint_history x
                    WHERE x.ended_at < (SELECT c.at FROM cut c WHERE c.kind = 'checkpoint')
                    ORDER BY x.ended_at LIMIT most))
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM letters)
         + (SELECT count(*) FROM devices) + (SELECT count(*) FROM terms)
         + (SELECT count(*) FROM ownerships) + (SELECT count(*) FROM sessions)
         + (SELECT count(*) FROM checkpoints)
      INTO pruned;
    -- What only sessions had named; they are gone by now or hold it back.
    WITH incarnations AS (
        DELETE FROM holdfast.incarnation_history h
         WHERE h.began_at < before
           AND NOT EXISTS (SELECT FROM holdfast.incarnation_live l WHERE l.incarnation = h.incarnation)
           AND NOT EXISTS (SELECT FROM holdfast.session s WHERE s.incarnation = h.incarnation)
        RETURNING 1
    ), old AS MATERIALIZED (
        SELECT n.name FROM holdfast.node n
         WHERE n.last_joined < before AND n.drained_at IS NULL AND n.capacity_set IS NULL
           AND NOT EXISTS (SELECT FROM holdfast.session s WHERE s.node = n.name)
           AND NOT EXISTS (SELECT FROM holdfast.pin i WHERE i.node = n.name)
           AND NOT EXISTS (SELECT FROM holdfast.move_wish w WHERE w.node = n.name)
         LIMIT most
    ), reports AS (
        DELETE FROM holdfast.node_report r USING old WHERE r.node = old.name
    ), nodes AS (
        DELETE FROM holdfast.node n USING old WHERE n.name = old.name
        RETURNING 1
    )
    SELECT pruned + (SELECT count(*) FROM incarnations) + (SELECT count(*) FROM nodes) INTO pruned;
    RETURN pruned;
END
$$;
COMMENT ON FUNCTION holdfast.prune_history() IS
    'Deletes history older than history_retention or beyond history_rows, at most 10,000 rows of each kind; returns how many';
