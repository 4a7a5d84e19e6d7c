-- Dead letters in a partition per week, so that old ones go as a whole; a ceiling per device, with a
-- policy of what happens at it. Nodes of the version before go on: what they call stays.

ALTER TABLE holdfast.setting ADD COLUMN choices text[];
COMMENT ON COLUMN holdfast.setting.choices IS 'Values allowed, for choices';
ALTER TABLE holdfast.setting DROP CONSTRAINT setting_kind_check;
ALTER TABLE holdfast.setting ADD CONSTRAINT setting_kind_check
    CHECK (kind IN ('integer', 'interval', 'choice') AND (kind = 'choice') = (choices IS NOT NULL));
INSERT INTO holdfast.setting (name, value, kind, lowest, highest, choices, description) VALUES
    ('dead_letter_ceiling', '10000', 'integer', 1, 1000000, NULL,
     'How many dead letters of one device are kept at most; then its partition pauses, unless set_dead_letter_policy says otherwise'),
    ('dead_letters_after_retention', 'keep', 'choice', NULL, NULL, ARRAY['keep', 'drop'],
     'What becomes of dead letters that nobody has replayed or discarded within history_retention: keep, or drop and count them');

-- The views are made anew with sql/.
DROP VIEW IF EXISTS holdfast.dead_letters, holdfast.status CASCADE;
ALTER TABLE holdfast.dead_letter RENAME TO dead_letter_before;
CREATE SEQUENCE holdfast.dead_letter_id;
SELECT setval('holdfast.dead_letter_id', s.last_value, s.is_called)
  FROM holdfast.dead_letter_dead_letter_id_seq s;

-- A unique key of a partitioned table must hold the partitioning column, and an event that comes
-- again days later has another one. So file_dead_letters looks before it inserts, under the lock of the
-- hub's partition. Ids are unique because they come from one sequence.
CREATE TABLE holdfast.dead_letter (
    dead_letter_id bigint NOT NULL DEFAULT nextval('holdfast.dead_letter_id'),
    partition_id   int NOT NULL,
    generation     int NOT NULL,
    sequence       bigint NOT NULL,
    property       text COLLATE "C" NOT NULL,
    hub            text COLLATE "C" NOT NULL,
    partition      text COLLATE "C" NOT NULL,
    device         text COLLATE "C" NOT NULL,
    module         text COLLATE "C" NOT NULL,
    event_offset   text NOT NULL,
    enqueued_ms    bigint NOT NULL,
    reason         text NOT NULL CHECK (reason IN ('unbound', 'unparsable', 'refused', 'too_large')),
    detail         text NOT NULL,
    payload        bytea NOT NULL,
    attempts       int NOT NULL CHECK (attempts >= 0),
    node           text NOT NULL,
    token          bigint NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    state          text NOT NULL DEFAULT 'kept'
                   CHECK (state IN ('kept', 'requested', 'replayed', 'discarded')),
    requested_at   timestamptz,
    claimed_by     int,
    claimed_token  bigint,
    settled_at     timestamptz,
    context        jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(context) = 'object'),
    CHECK (claimed_by IS NULL OR state = 'requested'),
    CHECK ((claimed_by IS NULL) = (claimed_token IS NULL)),
    CHECK ((settled_at IS NULL) = (state IN ('kept', 'requested')))
) PARTITION BY RANGE (created_at);
ALTER SEQUENCE holdfast.dead_letter_id OWNED BY holdfast.dead_letter.dead_letter_id;
COMMENT ON TABLE holdfast.dead_letter IS 'Events and values that ThingWorx refuses, kept with their reason until replayed or discarded; a partition per week of created_at';
COMMENT ON COLUMN holdfast.dead_letter.property IS 'Property of a refused value; empty: the whole event';
COMMENT ON COLUMN holdfast.dead_letter.payload IS 'Body of the event; for a value, its row as JSON text';
COMMENT ON COLUMN holdfast.dead_letter.attempts IS 'How often delivery was tried, replays included';
COMMENT ON COLUMN holdfast.dead_letter.node IS 'Node that gave it up';
COMMENT ON COLUMN holdfast.dead_letter.token IS 'Token of the grant under which it was given up';
COMMENT ON COLUMN holdfast.dead_letter.state IS 'kept; requested: to be replayed; replayed; discarded';
COMMENT ON COLUMN holdfast.dead_letter.claimed_by IS 'Session that is replaying it; the claim ends with that session';
COMMENT ON COLUMN holdfast.dead_letter.claimed_token IS 'Token of the grant under which it is replayed; the claim ends with that grant';
COMMENT ON COLUMN holdfast.dead_letter.context IS 'What came with the event besides device, time and body: creation_ms, content_type, properties, ...';

-- Whatever the others do not hold: no letter is ever refused for want of a partition.
CREATE TABLE holdfast.dead_letter_default PARTITION OF holdfast.dead_letter DEFAULT;
COMMENT ON TABLE holdfast.dead_letter_default IS 'Dead letters of weeks that have no partition of their own';
DO $do$
DECLARE
    week timestamptz;
    name text;
BEGIN
    FOR week IN
        SELECT date_trunc('week', b.created_at, 'UTC') FROM holdfast.dead_letter_before b
        UNION
        SELECT date_trunc('week', clock_timestamp(), 'UTC') + n * interval '168 hours'
          FROM generate_series(0, 4) AS n
    LOOP
        name := 'dead_letter_' || to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD');
        EXECUTE format('CREATE TABLE holdfast.%I PARTITION OF holdfast.dead_letter FOR VALUES FROM (%L) TO (%L)',
                       name, week, week + interval '168 hours');
        EXECUTE format('COMMENT ON TABLE holdfast.%I IS %L', name, 'Dead letters of a week');
    END LOOP;
END
$do$;
INSERT INTO holdfast.dead_letter
       (dead_letter_id, partition_id, generation, sequence, property, hub, partition, device, module,
        event_offset, enqueued_ms, reason, detail, payload, attempts, node, token, created_at, state,
        requested_at, claimed_by, claimed_token, settled_at, context)
SELECT b.dead_letter_id, b.partition_id, b.generation, b.sequence, b.property, b.hub, b.partition, b.device, b.module,
       b.event_offset, b.enqueued_ms, b.reason, b.detail, b.payload, b.attempts, b.node, b.token, b.created_at, b.state,
       b.requested_at, b.claimed_by, b.claimed_token, b.settled_at, b.context
  FROM holdfast.dead_letter_before b;
DROP TABLE holdfast.dead_letter_before;

ALTER TABLE holdfast.dead_letter ADD PRIMARY KEY (dead_letter_id, created_at);
CREATE INDEX dead_letter_event ON holdfast.dead_letter (partition_id, generation, sequence, property);
CREATE INDEX dead_letter_requested ON holdfast.dead_letter
    (partition_id, generation, sequence, dead_letter_id) WHERE state = 'requested';
CREATE INDEX dead_letter_device ON holdfast.dead_letter (device, module);
CREATE INDEX dead_letter_device_open ON holdfast.dead_letter (device, hub) WHERE state IN ('kept', 'requested');
CREATE INDEX dead_letter_hub_open ON holdfast.dead_letter (hub) WHERE state IN ('kept', 'requested');
CREATE INDEX dead_letter_settled ON holdfast.dead_letter (settled_at) WHERE settled_at IS NOT NULL;

INSERT INTO holdfast.housekeeping VALUES ('dead_letters', '-infinity');

CREATE TABLE holdfast.dead_letter_policy (
    fleet          text COLLATE "C" REFERENCES holdfast.fleet ON DELETE CASCADE,
    device_pattern text,
    action         text NOT NULL CHECK (action IN ('pause', 'drop')),
    ceiling        int CHECK (ceiling BETWEEN 1 AND 1000000),
    set_by         text NOT NULL,
    set_at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX dead_letter_policy_of ON holdfast.dead_letter_policy
    (coalesce(fleet, ''), coalesce(device_pattern, ''));
COMMENT ON TABLE holdfast.dead_letter_policy IS 'What happens when a device has as many dead letters as may be kept; what is nearest to the device counts';
COMMENT ON COLUMN holdfast.dead_letter_policy.ceiling IS 'NULL: the setting dead_letter_ceiling';

CREATE TABLE holdfast.dead_letter_hold (
    partition_id int NOT NULL REFERENCES holdfast.partition ON DELETE CASCADE,
    device       text COLLATE "C" NOT NULL,
    token        bigint NOT NULL,
    generation   int NOT NULL,
    sequence     bigint NOT NULL,
    ceiling      int NOT NULL,
    since        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (partition_id, device)
);
COMMENT ON TABLE holdfast.dead_letter_hold IS 'Partitions whose owner holds an event back, because its device has as many dead letters as may be kept';
COMMENT ON COLUMN holdfast.dead_letter_hold.sequence IS 'Of an event that is held back: no checkpoint passes it';

CREATE TABLE holdfast.dead_letter_dropped (
    fleet    text COLLATE "C" NOT NULL,
    device   text COLLATE "C" NOT NULL,
    cause    text NOT NULL CHECK (cause IN ('ceiling', 'retention')),
    letters  bigint NOT NULL,
    first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (fleet, device, cause)
);
COMMENT ON TABLE holdfast.dead_letter_dropped IS 'How many dead letters were dropped because an administrator had said so';

-- Made anew with one parameter more; two would make calls ambiguous.
DROP FUNCTION IF EXISTS holdfast.replay_dead_letters(bigint[], text, text, timestamptz);
DROP FUNCTION IF EXISTS holdfast.discard_dead_letters(bigint[], text, text, timestamptz);
