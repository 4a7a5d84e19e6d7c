-- assigned
-- Purpose: one partition as its owner sees it; rows of sweep() and assignment().
-- A type cannot be replaced in place, and nodes of two versions read it: it is made once; a new
-- shape gets a new name.
DO $do$
BEGIN
    IF to_regtype('holdfast.assigned') IS NULL THEN
        CREATE TYPE holdfast.assigned AS (
            partition_id int,
            hub          text,
            partition    text,
            token        bigint,
            state        text,
            deadline_ms  int,
            start_offset text,
            sequence     bigint,
            enqueued_ms  bigint,
            generation   int,
            log          text
        );
    END IF;
END
$do$;
COMMENT ON TYPE holdfast.assigned IS 'A partition as its owner sees it';
COMMENT ON COLUMN holdfast.assigned.token IS 'Fencing token of the grant, and epoch of the receiver';
COMMENT ON COLUMN holdfast.assigned.state IS 'owned; releasing: stop, drain, checkpoint and call release() before the deadline';
COMMENT ON COLUMN holdfast.assigned.deadline_ms IS 'While releasing: milliseconds from now until the move is called off';
COMMENT ON COLUMN holdfast.assigned.start_offset IS 'Offset of the checkpoint; null: none, begin where the hub''s start policy says';
COMMENT ON COLUMN holdfast.assigned.sequence IS 'Sequence number of the checkpoint';
COMMENT ON COLUMN holdfast.assigned.log IS 'Endpoint and creation time of the log that the checkpoint belongs to: a node that sees another one must not read on from there';
COMMENT ON COLUMN holdfast.assigned.generation IS 'Life of the partition''s log; above 1 the hub''s on_new_log says where to begin without a checkpoint';
COMMENT ON COLUMN holdfast.assigned.enqueued_ms IS 'When the hub took the checkpoint''s event, milliseconds since 1970';
