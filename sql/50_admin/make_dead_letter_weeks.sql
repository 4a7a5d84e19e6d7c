-- make_dead_letter_weeks()
-- Purpose: partitions for the dead letters of this week and of four weeks ahead. What the default
--          partition holds of them moves along.
-- Returns: how many it made; raises 55P03 when somebody holds a lock for longer than 200 ms.
-- Calls: dead_letter_weeks.   Tables: dead_letter (partitions).   Internal.
CREATE OR REPLACE FUNCTION holdfast.make_dead_letter_weeks() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET lock_timeout = '200ms'
AS $$
DECLARE
    this_week constant timestamptz := date_trunc('week', clock_timestamp(), 'UTC');
    week timestamptz;
    made int := 0;
    name text;
BEGIN
    FOR week IN
        SELECT w.begins_at
          FROM (SELECT this_week + n * interval '168 hours' AS begins_at FROM generate_series(0, 4) AS n) AS w
         WHERE NOT EXISTS (SELECT FROM holdfast.dead_letter_weeks() k WHERE k.begins_at = w.begins_at)
    LOOP
        name := 'dead_letter_' || to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD');
        -- Not PARTITION OF, which would lock everybody out of the whole table.
        EXECUTE format('CREATE TABLE holdfast.%I (LIKE holdfast.dead_letter INCLUDING ALL)', name);
        EXECUTE format('COMMENT ON TABLE holdfast.%I IS %L', name, 'Dead letters of a week');
        LOCK TABLE holdfast.dead_letter_default IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('WITH old AS (DELETE FROM holdfast.dead_letter_default d
                                      WHERE d.created_at >= %2$L AND d.created_at < %3$L RETURNING d.*)
                        INSERT INTO holdfast.%1$I SELECT * FROM old', name, week, week + interval '168 hours');
        EXECUTE format('ALTER TABLE holdfast.dead_letter ATTACH PARTITION holdfast.%I FOR VALUES FROM (%L) TO (%L)',
                       name, week, week + interval '168 hours');
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION holdfast.make_dead_letter_weeks() IS 'Internal: partitions for the dead letters of this week and the next';
