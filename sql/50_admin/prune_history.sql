-- prune_history()
-- Purpose: deletes history older than the setting history_retention: events, settled dead letters,
--          unbound devices not seen since, ended terms, ownerships and sessions. Dead letters that
--          are kept or wait for their replay are never deleted. At most 10,000 rows of each kind go
--          in one call, so that nobody waits for it: repeat until it returns 0.
-- Returns: how many rows it deleted.   Calls: nothing.
-- Tables: event_log, dead_letter, unbound_device, term, ownership, session (delete), setting (read).
CREATE OR REPLACE FUNCTION holdfast.prune_history()
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    most constant int := 10000;
    before timestamptz;
    pruned bigint;
BEGIN
    SELECT clock_timestamp() - s.value::interval INTO before
      FROM holdfast.setting s
     WHERE s.name = 'history_retention';
    WITH events AS (
        DELETE FROM holdfast.event_log
         WHERE event_id IN (SELECT e.event_id FROM holdfast.event_log e WHERE e.at < before
                             ORDER BY e.at LIMIT most)
        RETURNING 1
    ), letters AS (
        DELETE FROM holdfast.dead_letter
         WHERE dead_letter_id IN (SELECT d.dead_letter_id FROM holdfast.dead_letter d
                                   WHERE d.settled_at < before ORDER BY d.settled_at LIMIT most)
        RETURNING 1
    ), devices AS (
        DELETE FROM holdfast.unbound_device u
         USING (SELECT x.fleet, x.device, x.module FROM holdfast.unbound_device x
                 WHERE x.last_seen < before LIMIT most) AS old
         WHERE (u.fleet, u.device, u.module) = (old.fleet, old.device, old.module)
        RETURNING 1
    ), terms AS (
        DELETE FROM holdfast.term t
         USING (SELECT x.lease, x.token FROM holdfast.term x
                 WHERE upper(x.during) < before LIMIT most) AS old
         WHERE (t.lease, t.token) = (old.lease, old.token)
        RETURNING 1
    ), ownerships AS (
        DELETE FROM holdfast.ownership o
         USING (SELECT x.partition_id, x.during FROM holdfast.ownership x
                 WHERE NOT upper_inf(x.during) AND upper(x.during) < before LIMIT most) AS old
         WHERE o.partition_id = old.partition_id AND o.during = old.during
        RETURNING 1
    ), sessions AS (
        DELETE FROM holdfast.session
         WHERE session_id IN (SELECT s.session_id FROM holdfast.session s
                               WHERE s.ended_at < before ORDER BY s.ended_at LIMIT most)
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM letters)
         + (SELECT count(*) FROM devices) + (SELECT count(*) FROM terms)
         + (SELECT count(*) FROM ownerships) + (SELECT count(*) FROM sessions)
      INTO pruned;
    RETURN pruned;
END
$$;
COMMENT ON FUNCTION holdfast.prune_history() IS
    'Deletes history older than the setting history_retention, at most 10,000 rows of each kind; returns how many';
