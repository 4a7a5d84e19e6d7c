-- assigned_to(session_id)
-- Purpose: what a session owns, with the checkpoints to go on from.
-- Returns: rows of `assigned`, in key order.   Calls: nothing.
-- Tables: partition, checkpoint, hub_log (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.assigned_to(session_id int) RETURNS SETOF holdfast.assigned
LANGUAGE sql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    SELECT p.partition_id, p.hub, p.partition, p.token, p.state,
           CASE WHEN p.move_deadline IS NOT NULL
                THEN greatest(0, (extract(epoch FROM p.move_deadline - clock_timestamp()) * 1000)::int) END,
           c.event_offset, c.sequence, c.enqueued_ms, c.generation,
           (SELECT l.endpoint || '@' || l.created_ms FROM hub_log l WHERE l.hub = p.hub)
      FROM ownership o
      JOIN partition p ON p.partition_id = o.partition_id AND p.owner_session_id = o.session_id
      JOIN checkpoint c ON c.partition_id = p.partition_id
     WHERE o.session_id = assigned_to.session_id AND upper_inf(o.during)
     ORDER BY p.partition_id
$$;
COMMENT ON FUNCTION holdfast.assigned_to(int) IS 'Internal: what a session owns';
