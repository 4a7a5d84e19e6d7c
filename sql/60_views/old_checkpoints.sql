-- old_checkpoints: the last checkpoint of each earlier generation of each partition
-- Tables: checkpoint_history, partition.
DROP VIEW IF EXISTS holdfast.old_checkpoints CASCADE;
CREATE VIEW holdfast.old_checkpoints AS
SELECT h.ended_at, p.hub, p.partition, h.generation, h.event_offset, h.sequence,
       to_timestamp(nullif(h.enqueued_ms, 0) / 1000.0) AS enqueued_at, h.saved_at, h.token
  FROM holdfast.checkpoint_history h
  JOIN holdfast.partition p ON p.partition_id = h.partition_id
 ORDER BY h.ended_at DESC, p.hub, length(p.partition), p.partition;
COMMENT ON VIEW holdfast.old_checkpoints IS 'The last checkpoint of each earlier generation: what reset_checkpoint() and new logs have replaced';
COMMENT ON COLUMN holdfast.old_checkpoints.ended_at IS 'When it was replaced';
