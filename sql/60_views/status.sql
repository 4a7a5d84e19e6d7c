-- status: the whole cluster in one row
-- Reads: the view partitions.
-- Tables: dead_letter, dead_letter_dropped, session, lease, partition, hub, pause, checkpoint, partition_head, node_report, incarnation_live, cluster.
DROP VIEW IF EXISTS holdfast.status CASCADE;
CREATE VIEW holdfast.status AS
SELECT (SELECT count(*) FROM holdfast.session s WHERE s.ended_at IS NULL) AS live_nodes,
       (SELECT s.node FROM holdfast.lease l JOIN holdfast.session s ON s.session_id = l.session_id
         WHERE l.name = 'leader') AS leader,
       p.partitions, p.owned, p.releasing, p.without_owner, p.reserved, p.paused,
       p.lag_events, p.oldest_checkpoint_age,
       (SELECT sum((r.stats ->> 'events_per_second')::numeric)
          FROM holdfast.node_report r
          JOIN holdfast.session s ON s.session_id = r.session_id AND s.ended_at IS NULL) AS events_per_second,
       (SELECT count(*) FROM holdfast.dead_letter d WHERE d.state IN ('kept', 'requested')) AS dead_letters,
       (SELECT coalesce(sum(x.letters), 0)::bigint FROM holdfast.dead_letter_dropped x) AS dead_letters_dropped,
       (SELECT count(*) FROM holdfast.partitions x WHERE x.held_since IS NOT NULL) AS partitions_held,
       i.incarnation, i.began_at AS incarnation_began_at, c.reserved_until, c.rebalance_at
  FROM holdfast.cluster c
  LEFT JOIN holdfast.incarnation_live i ON true
 CROSS JOIN (SELECT count(*) AS partitions,
                    count(x.owner_session_id) AS owned,
                    count(*) FILTER (WHERE x.state = 'releasing') AS releasing,
                    count(*) FILTER (WHERE x.owner_session_id IS NULL AND a.hub IS NULL) AS without_owner,
                    count(*) FILTER (WHERE a.hub IS NOT NULL) AS paused,
                    count(x.reserved_node) AS reserved,
                    sum(greatest(0, h.last_sequence - k.sequence)) AS lag_events,
                    max(clock_timestamp() - k.saved_at) AS oldest_checkpoint_age
               FROM holdfast.partition x
               JOIN holdfast.hub u ON u.name = x.hub AND u.enabled
               LEFT JOIN holdfast.checkpoint k ON k.partition_id = x.partition_id
               LEFT JOIN holdfast.partition_head h ON h.partition_id = x.partition_id
               LEFT JOIN LATERAL (SELECT y.hub FROM holdfast.pause y
                                   WHERE y.hub = x.hub AND y.partition IN ('', x.partition) LIMIT 1) a ON true
              WHERE x.retired_at IS NULL) AS p;
COMMENT ON VIEW holdfast.status IS 'The whole cluster in one row; partitions are those of enabled hubs';
COMMENT ON COLUMN holdfast.status.without_owner IS 'Partitions that nobody owns and that are not paused';
COMMENT ON COLUMN holdfast.status.releasing IS 'Partitions in a planned move';
COMMENT ON COLUMN holdfast.status.reserved IS 'Partitions kept for the nodes that owned them before the database restarted';
COMMENT ON COLUMN holdfast.status.lag_events IS 'Events in the hubs beyond the checkpoints, as the owners last saw them';
COMMENT ON COLUMN holdfast.status.rebalance_at IS 'When the leader will plan moves; null: nothing to plan';
COMMENT ON COLUMN holdfast.status.partitions_held IS 'Partitions whose owners hold an event back: a device has as many dead letters as may be kept';
COMMENT ON COLUMN holdfast.status.dead_letters_dropped IS 'Dead letters that were dropped since the beginning, because an administrator had said so';
