-- Steering by administrators (pauses, pins), what the questions at night need, bounds of the history.
-- Nodes of the version before go on: nothing that they call changes its shape.

CREATE TABLE holdfast.pause (
    hub       text COLLATE "C" NOT NULL REFERENCES holdfast.hub ON DELETE CASCADE,
    partition text COLLATE "C" NOT NULL DEFAULT '',
    reason    text NOT NULL CHECK (reason <> ''),
    paused_by text NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (hub, partition)
);
COMMENT ON TABLE holdfast.pause IS 'Hubs and partitions that nobody shall read for now: nobody owns them, and their checkpoints are kept';
COMMENT ON COLUMN holdfast.pause.partition IS 'Empty: the whole hub';

CREATE TABLE holdfast.pin (
    partition_id int PRIMARY KEY REFERENCES holdfast.partition ON DELETE CASCADE,
    node         text COLLATE "C" NOT NULL REFERENCES holdfast.node,
    pinned_by    text NOT NULL,
    pinned_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE holdfast.pin IS 'Partitions that the plan leaves with a node for as long as it is live, not drained and serves the hub';
CREATE INDEX pin_node ON holdfast.pin (node);

ALTER TABLE holdfast.node ADD steady_at timestamptz;
COMMENT ON COLUMN holdfast.node.steady_at IS 'Its sessions have died often: until then no partitions are moved to it; null or past: it counts fully';

ALTER TABLE holdfast.partition_head ADD behind_since timestamptz;
COMMENT ON COLUMN holdfast.partition_head.behind_since IS 'Since when the checkpoint is further behind than the setting lag_alarm_ms; null: it is not';

-- How a grant ended says why the next one began; the reason of a planned move goes with it.
ALTER TABLE holdfast.ownership ADD move_reason text;
COMMENT ON COLUMN holdfast.ownership.move_reason IS 'Why it was moved, if it was: what the plan or the administrator said';

-- A checkpoint of an earlier generation may be set again, so generations of one partition go on.
CREATE INDEX checkpoint_history_ended_at ON holdfast.checkpoint_history (ended_at);
CREATE INDEX term_upper ON holdfast.term (upper(during)) WHERE NOT upper_inf(during);
CREATE INDEX dead_letter_settled_at ON holdfast.dead_letter (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX unbound_device_last_seen ON holdfast.unbound_device (last_seen);

INSERT INTO holdfast.setting (name, value, kind, lowest, highest, description) VALUES
    ('history_rows', '1000000', 'integer', 1000, 100000000,
     'How many rows of each kind of history are kept at most, however young they are: events, ended terms, ownerships and sessions, old checkpoints, settled dead letters, unbound devices'),
    ('dead_letter_alarm', '10000', 'integer', 1, 1000000000,
     'diagnose() warns when this many dead letters wait to be replayed or discarded'),
    ('lag_alarm_ms', '30000', 'integer', 1000, 86400000,
     'A partition lags when its checkpoint is this much older than the newest event that its hub has'),
    ('flap_hold_ms', '60000', 'integer', 0, 3600000,
     'How long a node whose sessions have died again and again waits for partitions at most, after it joined; 0: not at all');

ALTER TABLE holdfast.move_wish ADD wished_by text;
COMMENT ON COLUMN holdfast.move_wish.wished_by IS 'Administrator who asked for it';

-- sql/ makes these anew: their results or arguments have changed, and only people call them.
DROP FUNCTION IF EXISTS holdfast.diagnose();
DROP FUNCTION IF EXISTS holdfast.move_partition(text, text, text);
DROP FUNCTION IF EXISTS holdfast.reset_checkpoint(text, text, text, bigint);
