-- dead_letters: Events and values that ThingWorx refuses; see replay_dead_letters and discard_dead_letters
-- payload_text shows what is not ASCII as octal; it is cut, payload is whole.
-- Tables: dead_letter, hub.
DROP VIEW IF EXISTS holdfast.dead_letters CASCADE;
CREATE VIEW holdfast.dead_letters AS
SELECT d.dead_letter_id, d.created_at, d.state, d.reason, d.detail, h.fleet, d.hub, d.partition,
       d.device, d.module, d.property, encode(substring(d.payload FROM 1 FOR 2000), 'escape') AS payload_text,
       d.attempts, to_timestamp(d.enqueued_ms / 1000.0) AS enqueued_at, d.sequence, d.event_offset,
       d.generation, d.node, d.token, d.requested_at, d.claimed_by IS NOT NULL AS claimed,
       d.settled_at, octet_length(d.payload) AS payload_bytes, d.payload,
       d.context
  FROM holdfast.dead_letter d
  LEFT JOIN holdfast.hub h ON h.name = d.hub;
COMMENT ON VIEW holdfast.dead_letters IS 'Events and values that ThingWorx refuses; see replay_dead_letters and discard_dead_letters';
