-- Heartbeat rules: a property that says whether anything is heard of a device.
CREATE TABLE holdfast.heartbeat (
    fleet      text COLLATE "C" NOT NULL REFERENCES holdfast.fleet ON DELETE CASCADE,
    name       text COLLATE "C" NOT NULL,
    property   text NOT NULL CHECK (property <> ''),
    silence    interval NOT NULL CHECK (silence BETWEEN interval '1 second' AND interval '30 days'),
    devices    text,
    modules    text,
    rank       int NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (fleet, name)
);
COMMENT ON TABLE holdfast.heartbeat IS 'Rules for a property that is true while events come, and false after a time of silence; changed by set_heartbeat';
COMMENT ON COLUMN holdfast.heartbeat.property IS 'Name of the property, of base type BOOLEAN';
COMMENT ON COLUMN holdfast.heartbeat.silence IS 'Without an event for so long it becomes false';
COMMENT ON COLUMN holdfast.heartbeat.devices IS 'Which devices it concerns, with * for any run of characters; null: all';
COMMENT ON COLUMN holdfast.heartbeat.modules IS 'The same of modules; empty: what the device itself sends; null: both';
COMMENT ON COLUMN holdfast.heartbeat.rank IS 'Of two rules for one device the one of the higher rank decides, then the one of the later name';

-- Written when a Thing is heard of after silence, deleted when its silence was accepted: twice for
-- each silence, never for each event.
CREATE TABLE holdfast.presence (
    partition_id int NOT NULL REFERENCES holdfast.partition ON DELETE CASCADE,
    thing        text COLLATE "C" NOT NULL,
    device       text COLLATE "C" NOT NULL,
    module       text COLLATE "C" NOT NULL,
    since        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (partition_id, thing)
);
COMMENT ON TABLE holdfast.presence IS 'Things that ThingWorx may know as connected by a heartbeat rule; whoever reads the partition next goes on from here';
COMMENT ON COLUMN holdfast.presence.device IS 'The device, or with module the module of it, that was heard of first';
COMMENT ON COLUMN holdfast.presence.since IS 'When it was first heard of after silence';
