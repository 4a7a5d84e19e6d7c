-- partitions: who owns each partition, how far it has been delivered, how far behind it is
-- Tables: partition, hub, session, checkpoint, partition_head, cluster.
DROP VIEW IF EXISTS holdfast.partitions CASCADE;
CREATE VIEW holdfast.partitions AS
SELECT p.hub, p.partition, o.node AS owner,
       CASE WHEN p.retired_at IS NOT NULL THEN 'retired'
            WHEN p.reserved_node IS NOT NULL AND c.reserved_until > clock_timestamp() THEN 'reserved'
            ELSE p.state END AS state,
       coalesce(n.node, p.reserved_node) AS next_owner, p.move_reason, p.move_deadline,
       greatest(0, h.last_sequence - k.sequence) AS lag_events,
       greatest(0, round((h.last_enqueued_ms - k.enqueued_ms) / 1000.0, 3)) AS lag_seconds,
       clock_timestamp() - k.saved_at AS checkpoint_age,
       k.event_offset, k.sequence, to_timestamp(k.enqueued_ms / 1000.0) AS enqueued_at,
       h.last_sequence, p.token, p.generation, p.partition_id, p.owner_session_id AS session_id,
       u.enabled AS hub_enabled, p.retired_at
  FROM holdfast.partition p
  JOIN holdfast.hub u ON u.name = p.hub
 CROSS JOIN holdfast.cluster c
  LEFT JOIN holdfast.checkpoint k ON k.partition_id = p.partition_id
  LEFT JOIN holdfast.partition_head h ON h.partition_id = p.partition_id
  LEFT JOIN holdfast.session o ON o.session_id = p.owner_session_id
  LEFT JOIN holdfast.session n ON n.session_id = p.successor_session_id
 ORDER BY p.hub, length(p.partition), p.partition;
COMMENT ON VIEW holdfast.partitions IS 'Who owns each partition, how far it has been delivered, how far behind it is';
COMMENT ON COLUMN holdfast.partitions.state IS 'owned, releasing (a planned move), free, reserved (after a restart of the database), retired';
COMMENT ON COLUMN holdfast.partitions.next_owner IS 'Who gets it at the end of the move, or for whom it is reserved';
COMMENT ON COLUMN holdfast.partitions.lag_events IS 'Events in the hub beyond the checkpoint, as the owner last saw it; null: not known yet';
COMMENT ON COLUMN holdfast.partitions.lag_seconds IS 'Between the enqueued times of the checkpoint and of the newest event in the hub';
COMMENT ON COLUMN holdfast.partitions.checkpoint_age IS 'Since the checkpoint was last saved; grows while there is nothing to deliver';
