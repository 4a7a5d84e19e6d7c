-- tend_dead_letters()
-- Purpose: housekeeping of dead letters: makes partitions ahead, drops the oldest one whose time is
--          over, forgets holds that are past. Its locks are waited for 200 ms at most, so that no node
--          waits longer because of it.
-- Returns: when to come again: at once (0) if it made or dropped something, else in how many seconds.
-- Calls: make_dead_letter_weeks, drop_dead_letter_week, dead_letter_weeks.
-- Tables: dead_letter_hold (delete), partition, checkpoint, setting (read).   Internal; called by tend.
CREATE OR REPLACE FUNCTION holdfast.tend_dead_letters() RETURNS int
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    before constant timestamptz := (SELECT clock_timestamp() - s.value::interval FROM holdfast.setting s
                                     WHERE s.name = 'history_retention');
    week text;
BEGIN
    DELETE FROM holdfast.dead_letter_hold o
     USING holdfast.partition p
      LEFT JOIN holdfast.checkpoint k ON k.partition_id = p.partition_id
     WHERE p.partition_id = o.partition_id
       AND (p.token <> o.token OR p.owner_session_id IS NULL OR p.generation <> o.generation OR k.sequence >= o.sequence);
    BEGIN
        IF holdfast.make_dead_letter_weeks() > 0 THEN
            RETURN 0;
        END IF;
        FOREACH week IN ARRAY ARRAY(SELECT w.name FROM holdfast.dead_letter_weeks() w
                                     WHERE w.ends_at <= before ORDER BY w.begins_at)
        LOOP
            IF holdfast.drop_dead_letter_week(week, before) THEN
                RETURN 0;
            END IF;
        END LOOP;
    EXCEPTION WHEN lock_not_available THEN
        RETURN 60;
    END;
    RETURN 600;
END
$$;
COMMENT ON FUNCTION holdfast.tend_dead_letters() IS 'Internal: partitions of dead letters are made ahead and dropped when their time is over';
