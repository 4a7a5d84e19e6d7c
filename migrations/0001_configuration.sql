-- Configuration, bindings, dead letters, the event log. Nothing here knows of sessions or
-- partitions: those come with 0002. The schema itself is made by `holdfast migrate`.

CREATE TABLE holdfast.setting (
    name        text COLLATE "C" PRIMARY KEY,
    value       text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('integer', 'interval')),
    lowest      bigint,
    highest     bigint,
    description text NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE holdfast.setting IS 'Cluster-wide settings; changed by holdfast.set_setting, seen in the view settings';
COMMENT ON COLUMN holdfast.setting.lowest IS 'Smallest value allowed, for integers';
COMMENT ON COLUMN holdfast.setting.highest IS 'Greatest value allowed, for integers';

INSERT INTO holdfast.setting (name, value, kind, lowest, highest, description) VALUES
    ('ttl_ms', '5000', 'integer', 1000, 600000,
     'Time to live of a node''s lease: how long a silent node keeps what it owns'),
    ('rebalance_delay_ms', '500', 'integer', 0, 600000,
     'How long the leader waits after a node joined before it moves partitions, so that several joins make one plan'),
    ('move_deadline_ms', '10000', 'integer', 100, 3600000,
     'How long an owner has for a planned move before it is called off'),
    ('decline_pass_over_ms', '60000', 'integer', 0, 86400000,
     'How long a node that declined a partition is passed over for that hub'),
    ('history_retention', '90 days', 'interval', NULL, NULL,
     'How long ended terms, ownerships, events and settled dead letters are kept');

CREATE TABLE holdfast.destination (
    name               text COLLATE "C" PRIMARY KEY,
    base_urls          text[] NOT NULL CHECK (cardinality(base_urls) BETWEEN 1 AND 32),
    app_key_secret     text NOT NULL CHECK (app_key_secret <> ''),
    max_in_flight      int NOT NULL CHECK (max_in_flight BETWEEN 1 AND 1024),
    request_timeout_ms int NOT NULL CHECK (request_timeout_ms BETWEEN 100 AND 600000),
    max_rows           int NOT NULL CHECK (max_rows BETWEEN 1 AND 100000),
    max_bytes          int NOT NULL CHECK (max_bytes BETWEEN 1024 AND 67108864),
    linger_ms          int NOT NULL CHECK (linger_ms BETWEEN 0 AND 60000),
    updated_at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE holdfast.destination IS 'A ThingWorx cluster: one or more base URLs; changed by set_destination';
COMMENT ON COLUMN holdfast.destination.base_urls IS 'http(s)://host[:port]/Thingworx, one per platform node, without a slash at the end';
COMMENT ON COLUMN holdfast.destination.app_key_secret IS 'Name of the secret that holds the app key, never the key itself';
COMMENT ON COLUMN holdfast.destination.max_in_flight IS 'Requests that one node has on the wire at a time';
COMMENT ON COLUMN holdfast.destination.max_rows IS 'Values in one request at most';
COMMENT ON COLUMN holdfast.destination.max_bytes IS 'Bytes in one request body at most';
COMMENT ON COLUMN holdfast.destination.linger_ms IS 'How long a value may wait for others of its Thing';

CREATE TABLE holdfast.fleet (
    name           text COLLATE "C" PRIMARY KEY,
    destination    text COLLATE "C" NOT NULL REFERENCES holdfast.destination,
    thing_template text NOT NULL CHECK (thing_template <> ''),
    auto_bind      boolean NOT NULL,
    device_pattern text CHECK (device_pattern <> ''),
    time_member    text CHECK (time_member <> ''),
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE holdfast.fleet IS 'A set of hubs that share device identities, and the rule that binds devices to Things; changed by set_fleet';
COMMENT ON COLUMN holdfast.fleet.thing_template IS 'Name of the Thing of a device: text with {device} and, perhaps, {module}';
COMMENT ON COLUMN holdfast.fleet.auto_bind IS 'Whether a device without a row is bound by the rule when it is first seen';
COMMENT ON COLUMN holdfast.fleet.device_pattern IS 'Regular expression that a device must match to be bound by the rule; null: any';
COMMENT ON COLUMN holdfast.fleet.time_member IS 'JSON member that holds the event''s own time; null: the enqueued time';
CREATE INDEX fleet_destination ON holdfast.fleet (destination);

CREATE TABLE holdfast.hub (
    name              text COLLATE "C" PRIMARY KEY,
    fleet             text COLLATE "C" NOT NULL REFERENCES holdfast.fleet,
    connection_secret text NOT NULL CHECK (connection_secret <> ''),
    consumer_group    text NOT NULL CHECK (consumer_group <> ''),
    start_at          text NOT NULL CHECK (start_at <> ''),
    on_new_log        text NOT NULL DEFAULT 'earliest' CHECK (on_new_log IN ('earliest', 'latest')),
    on_invalid_offset text NOT NULL DEFAULT 'stop' CHECK (on_invalid_offset IN ('stop', 'earliest', 'latest')),
    ca_secret         text CHECK (ca_secret <> ''),
    enabled           boolean NOT NULL,
    updated_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Two hubs over one log and one consumer group would throw each other off for ever.
    UNIQUE (connection_secret, consumer_group)
);
COMMENT ON TABLE holdfast.hub IS 'An Event Hubs-compatible endpoint (an Azure IoT Hub); changed by set_hub';
COMMENT ON COLUMN holdfast.hub.connection_secret IS 'Name of the secret that holds the connection string, never the string itself';
COMMENT ON COLUMN holdfast.hub.start_at IS 'Where a partition that was never read begins: earliest, latest, or a time';
COMMENT ON COLUMN holdfast.hub.on_new_log IS 'Where reading begins when the hub was re-created or renamed: earliest or latest';
COMMENT ON COLUMN holdfast.hub.on_invalid_offset IS 'When the hub says that the offset of a checkpoint does not exist: stop, earliest or latest';
COMMENT ON COLUMN holdfast.hub.ca_secret IS 'Name of the secret with the certificate authorities to trust (PEM); null: those of the system';
COMMENT ON COLUMN holdfast.hub.enabled IS 'A hub that is not enabled is not read; its checkpoints are kept';
CREATE INDEX hub_fleet ON holdfast.hub (fleet);

CREATE TABLE holdfast.binding (
    fleet      text COLLATE "C" NOT NULL REFERENCES holdfast.fleet,
    device     text COLLATE "C" NOT NULL CHECK (device <> ''),
    module     text COLLATE "C" NOT NULL DEFAULT '',
    thing      text COLLATE "C" NOT NULL CHECK (thing <> ''),
    source     text NOT NULL CHECK (source IN ('rule', 'row')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (fleet, device, module)
);
COMMENT ON TABLE holdfast.binding IS 'Which Thing a device, or a module of one, writes to';
COMMENT ON COLUMN holdfast.binding.module IS 'IoT Edge module; empty: the device itself';
COMMENT ON COLUMN holdfast.binding.source IS 'row: set by an administrator; rule: by the fleet''s rule, and follows it when it changes';
CREATE INDEX binding_thing ON holdfast.binding (thing);

CREATE TABLE holdfast.unbound_device (
    fleet      text COLLATE "C" NOT NULL REFERENCES holdfast.fleet ON DELETE CASCADE,
    device     text COLLATE "C" NOT NULL,
    module     text COLLATE "C" NOT NULL DEFAULT '',
    reason     text NOT NULL CHECK (reason IN ('auto_bind is off', 'device_pattern does not match')),
    first_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (fleet, device, module)
);
COMMENT ON TABLE holdfast.unbound_device IS 'Devices that sent something and may not be bound by the rule; a row goes when the device is bound';

-- One plain table. Partitions by day would have to be part of every unique key, and the key that
-- makes add_dead_letters idempotent (an event may come again days later, after a lost checkpoint)
-- has no day in it. prune_history() deletes what is settled and old; what is kept is never pruned.
CREATE TABLE holdfast.dead_letter (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
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
    CHECK (claimed_by IS NULL OR state = 'requested'),
    CHECK ((claimed_by IS NULL) = (claimed_token IS NULL)),
    CHECK ((settled_at IS NULL) = (state IN ('kept', 'requested'))),
    UNIQUE (partition_id, generation, sequence, property)
);
COMMENT ON TABLE holdfast.dead_letter IS 'Events and values that ThingWorx refuses, kept with their reason until replayed or discarded';
COMMENT ON COLUMN holdfast.dead_letter.property IS 'Property of a refused value; empty: the whole event';
COMMENT ON COLUMN holdfast.dead_letter.payload IS 'Body of the event; for a value, its row as JSON text';
COMMENT ON COLUMN holdfast.dead_letter.attempts IS 'How often delivery was tried, replays included';
COMMENT ON COLUMN holdfast.dead_letter.node IS 'Node that gave it up';
COMMENT ON COLUMN holdfast.dead_letter.token IS 'Token of the grant under which it was given up';
COMMENT ON COLUMN holdfast.dead_letter.state IS 'kept; requested: to be replayed; replayed; discarded';
COMMENT ON COLUMN holdfast.dead_letter.claimed_by IS 'Session that is replaying it; the claim ends with that session';
COMMENT ON COLUMN holdfast.dead_letter.claimed_token IS 'Token of the grant under which it is replayed; the claim ends with that grant';
CREATE INDEX dead_letter_requested ON holdfast.dead_letter
    (partition_id, generation, sequence, dead_letter_id) WHERE state = 'requested';
CREATE INDEX dead_letter_device ON holdfast.dead_letter (device, module);
CREATE INDEX dead_letter_hub_open ON holdfast.dead_letter (hub) WHERE state IN ('kept', 'requested');
CREATE INDEX dead_letter_settled ON holdfast.dead_letter (settled_at) WHERE settled_at IS NOT NULL;

CREATE TABLE holdfast.event_log (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind     text NOT NULL CHECK (kind <> ''),
    node     text,
    subject  text,
    message  text NOT NULL,
    detail   text,
    hint     text
);
COMMENT ON TABLE holdfast.event_log IS 'Rare happenings worth knowing later: joins, deaths, terms, moves, changes of configuration; written by add_event';
CREATE INDEX event_log_at ON holdfast.event_log (at);
