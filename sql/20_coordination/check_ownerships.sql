-- check_ownerships(), trigger ownership_checked of ownership
-- Purpose: a backstop for all rows of a statement at once: ownerships are of partitions that exist,
--          and those of one partition never overlap. A foreign key and a constraint over open and
--          ended ranges alike say the same row by row, for half of what a grant of ten thousand
--          partitions costs; among ended ones the constraint ownership_apart says it, of open ones
--          the index ownership_open lets only one be.
-- Parameters: none.   Returns: null.
-- Errors: 23503 there is no such partition; 23P01 it overlaps.
-- Calls: nothing.   Tables: partition, ownership (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.check_ownerships() RETURNS trigger
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    v_id      int;
    v_unknown boolean;
BEGIN
    SELECT f.partition_id, p.partition_id IS NULL INTO v_id, v_unknown
      FROM fresh f
      LEFT JOIN partition p ON p.partition_id = f.partition_id
     WHERE p.partition_id IS NULL OR (upper_inf(f.during) AND lower(f.during) < p.free_since)
     LIMIT 1;
    IF NOT FOUND THEN
        SELECT f.partition_id, false INTO v_id, v_unknown
          FROM fresh f
          JOIN ownership o ON o.partition_id = f.partition_id AND upper_inf(o.during)
         WHERE NOT upper_inf(f.during) AND o.during && f.during
         LIMIT 1;
    END IF;
    IF v_unknown THEN
        RAISE EXCEPTION USING ERRCODE = '23503',
            MESSAGE = format('There is no partition %s', v_id),
            DETAIL = 'An ownership of it was to be written.',
            HINT = 'This is a fault in the function that did it; please report it.';
    ELSIF v_id IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '23P01',
            MESSAGE = format('Two ownerships of partition %s would overlap', v_id),
            DETAIL = 'One session owns a partition at a time, and the next one begins when it has ended.',
            HINT = 'This is a fault in the function that did it; please report it.';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION holdfast.check_ownerships() IS 'Internal: refuses ownerships that overlap, or of no partition';
CREATE OR REPLACE TRIGGER ownership_checked AFTER INSERT ON holdfast.ownership
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION holdfast.check_ownerships();
