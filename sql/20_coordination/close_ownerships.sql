-- close_ownerships(partition_ids, reason)
-- Purpose: ends the open ownership, if any, of each partition, and notes its end in
--          partition.free_since. A clock that steps back must not make a range empty or overlap:
--          the end is at least one microsecond after the beginning.
-- Parameters: partition_ids; reason: why it ended (left, died, replaced, restart, moved, declined, ...).
-- Returns: nothing. The owner stays in the row: the caller sets what comes next.
-- Calls: nothing.   Tables: ownership, partition (update).   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.close_ownerships(partition_ids int[], reason text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    WITH closed AS (
        UPDATE ownership o
           SET during = tstzrange(lower(o.during),
                                  greatest(clock_timestamp(), lower(o.during) + interval '1 microsecond')),
               end_reason = reason
         WHERE o.partition_id = ANY (partition_ids) AND upper_inf(o.during)
        RETURNING o.partition_id, upper(o.during) AS ended)
    UPDATE partition p SET free_since = c.ended FROM closed c WHERE p.partition_id = c.partition_id
$$;
COMMENT ON FUNCTION holdfast.close_ownerships(int[], text) IS 'Internal: ends the open ownerships of partitions';
