-- partitions: who owns each partition, how far it has been delivered, how far behind it is
-- Tables: partition, hub, session, checkpoint, partition_head, cluster, pause, pin, dead_letter_hold.
DROP VIEW IF EXISTS holdfast.partitions CASCADE;
CREATE VIEW holdfast.partitions AS
SELECT p.hub, p.partition, o.node AS owner,
       CASE WHEN p.retired_at IS NOT NULL THEN 'retired'
            WHEN a.reason IS NOT NULL THEN CASE WHEN p.owner_session_id IS NULL THEN 'paused' ELSE 'pausing' END
            WHEN p.reserved_node IS NOT NULL AND c.reserved_until > clock_timestamp() THEN 'reserved'
            ELSE p.state END AS state,
       -- greatest() passes over nulls: what is not known would be 0.
       CASE WHEN h.last_sequence < k.sequence THEN 0 ELSE h.last_sequence - k.sequence END AS lag_events,
       CASE WHEN h.last_enqueued_ms < k.enqueued_ms THEN 0
            ELSE round((h.last_enqueued_ms - nullif(k.enqueued_ms, 0)) / 1000.0, 3) END AS lag_seconds, h.behind_since,
       clock_timestamp() - k.saved_at AS checkpoint_age,
       coalesce(n.node, p.reserved_node) AS next_owner, p.move_reason, p.move_deadline,
       i.node AS pinned_to, coalesce(a.reason, d.reason) AS pause_reason,
       k.event_offset, k.sequence, to_timestamp(nullif(k.enqueued_ms, 0) / 1000.0) AS enqueued_at,
       h.last_sequence, p.token, p.generation, p.partition_id, p.owner_session_id AS session_id,
       u.enabled AS hub_enabled, p.retired_at, d.since AS held_since, d.device AS held_device
  FROM holdfast.partition p
  JOIN holdfast.hub u ON u.name = p.hub
 CROSS JOIN holdfast.cluster c
  LEFT JOIN holdfast.checkpoint k ON k.partition_id = p.partition_id
  LEFT JOIN holdfast.partition_head h ON h.partition_id = p.partition_id
  LEFT JOIN holdfast.session o ON o.session_id = p.owner_session_id
  LEFT JOIN holdfast.session n ON n.session_id = p.successor_session_id
  LEFT JOIN holdfast.pin i ON i.partition_id = p.partition_id
  LEFT JOIN LATERAL (SELECT x.reason FROM holdfast.pause x
                      WHERE x.hub = p.hub AND x.partition IN ('', p.partition)
                      ORDER BY x.partition LIMIT 1) a ON true
  LEFT JOIN LATERAL (SELECT x.since, x.device,
                            format('device %s has %s dead letters', x.device, x.ceiling) AS reason
                       FROM holdfast.dead_letter_hold x
                      WHERE x.partition_id = p.partition_id AND x.token = p.token AND x.generation = p.generation
                        AND p.owner_session_id IS NOT NULL AND (k.sequence >= x.sequence) IS NOT TRUE
                      ORDER BY x.since LIMIT 1) d ON true
 ORDER BY p.hub, length(p.partition), p.partition;
COMMENT ON VIEW holdfast.partitions IS 'Who owns each partition, how far it has been delivered, how far behind it is';
COMMENT ON COLUMN holdfast.partitions.state IS 'owned, releasing (a planned move), free, reserved (after a restart of the database), pausing (the owner finishes what it has begun), paused, retired';
COMMENT ON COLUMN holdfast.partitions.next_owner IS 'Who gets it at the end of the move, or for whom it is reserved';
COMMENT ON COLUMN holdfast.partitions.lag_events IS 'Events in the hub beyond the checkpoint, as the owner last saw it; null: not known yet';
COMMENT ON COLUMN holdfast.partitions.behind_since IS 'Since when it has been further behind than the setting lag_alarm_ms; null: it is not';
COMMENT ON COLUMN holdfast.partitions.pinned_to IS 'Node that an administrator has pinned it to, whether it is there now or not';
COMMENT ON COLUMN holdfast.partitions.lag_seconds IS 'Between the enqueued times of the checkpoint and of the newest event in the hub';
COMMENT ON COLUMN holdfast.partitions.checkpoint_age IS 'Since the checkpoint was last saved; grows while there is nothing to deliver';
COMMENT ON COLUMN holdfast.partitions.pause_reason IS 'What the administrator said, or why its owner holds an event back';
COMMENT ON COLUMN holdfast.partitions.held_since IS 'Since when its owner holds an event back, because the device has as many dead letters as may be kept';
