-- drop_dead_letter_week(name, before)
-- Purpose: drops a partition of dead letters whose time is over: nothing in it is wanted for a replay or
--          was settled since, and nothing is kept, unless the setting dead_letters_after_retention
--          is drop: then what is kept is counted and goes.
-- Parameters: name: of the partition; before: the end of the retention.
-- Returns: whether it was dropped; raises 55P03 when somebody holds a lock for longer than 200 ms.
-- Calls: add_event.
-- Tables: dead_letter (partitions), dead_letter_dropped (upsert), setting, hub (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.drop_dead_letter_week(name text, before timestamptz) RETURNS boolean
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp SET lock_timeout = '200ms'
AS $$
DECLARE
    drops constant boolean := (SELECT s.value = 'drop' FROM holdfast.setting s
                                WHERE s.name = 'dead_letters_after_retention');
    wanted constant text := format($sql$
        SELECT EXISTS (SELECT FROM holdfast.%I d
                        WHERE d.settled_at >= %L OR d.state = 'requested'
                           OR d.state = 'kept' AND NOT %L) $sql$, $1, $2, drops);
    stays boolean;
    gone bigint;
BEGIN
    -- Looked at first without locking anybody out; what is old gets no new rows.
    EXECUTE wanted INTO stays;
    IF stays THEN
        RETURN false;
    END IF;
    -- The order of everybody else: first the table, then its partition.
    LOCK TABLE ONLY holdfast.dead_letter IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('LOCK TABLE holdfast.%I IN ACCESS EXCLUSIVE MODE', $1);
    EXECUTE wanted INTO stays;
    IF stays THEN
        RETURN false;
    END IF;
    EXECUTE format($sql$
        WITH lost AS (
            SELECT coalesce(h.fleet, '') AS fleet, d.device, count(*) AS letters
              FROM holdfast.%I d
              LEFT JOIN holdfast.hub h ON h.name = d.hub
             WHERE d.state = 'kept'
             GROUP BY 1, 2
        ), counted AS (
            INSERT INTO holdfast.dead_letter_dropped AS x (fleet, device, cause, letters)
            SELECT l.fleet, l.device, 'retention', l.letters FROM lost l ORDER BY l.fleet, l.device
            ON CONFLICT (fleet, device, cause) DO UPDATE
               SET letters = x.letters + excluded.letters, last_at = excluded.last_at)
        SELECT coalesce(sum(l.letters), 0) FROM lost l $sql$, $1) INTO gone;
    EXECUTE format('DROP TABLE holdfast.%I', $1);
    IF gone > 0 THEN
        PERFORM holdfast.add_event('dead letters', NULL, NULL,
                   format('%s dead letters were dropped, which nobody had replayed or discarded', gone),
                   'They were older than history_retention, and dead_letters_after_retention is drop. The view dead_letters_dropped counts them.');
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION holdfast.drop_dead_letter_week(text, timestamptz) IS 'Internal: drops a partition of dead letters whose time is over';
