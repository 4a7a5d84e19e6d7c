-- close_ownerships(partition_ids, reason)
-- Purpose: ends the open ownership, if any, of each partition. A clock that steps back must not make
--          a range empty or overlap: the end is at least one microsecond after the beginning.
-- Parameters: partition_ids; reason: why it ended (left, died, replaced, restart, moved, declined, ...).
-- Returns: a row per ownership that ended: partition, when. The caller writes that into
--          partition.free_since, in the one update that says what comes next: a second one of the same
--          row would cost as much as the first.
-- Calls: nothing.   Tables: ownership (update).   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.close_ownerships(partition_ids int[], reason text)
RETURNS TABLE (partition_id int, ended timestamptz)
LANGUAGE sql VOLATILE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    UPDATE ownership o
       SET during = tstzrange(lower(o.during),
                              greatest(clock_timestamp(), lower(o.during) + interval '1 microsecond')),
           end_reason = reason
     WHERE o.partition_id = ANY (partition_ids) AND upper_inf(o.during)
    RETURNING o.partition_id, upper(o.during)
$$;
COMMENT ON FUNCTION holdfast.close_ownerships(int[], text) IS 'Internal: ends the open ownerships of partitions';
