-- From payload to property: rules as rows.
CREATE TABLE holdfast.mapping (
    fleet         text COLLATE "C" NOT NULL REFERENCES holdfast.fleet ON DELETE CASCADE,
    name          text COLLATE "C" NOT NULL,
    action        text NOT NULL CHECK (action IN ('property', 'drop', 'flatten', 'constant', 'opcua')),
    pointer       text,
    property      text,
    base_type     text,
    value         jsonb,
    separator     text,
    thing         text,
    devices       text,
    modules       text,
    subjects      text,
    with_property text CHECK (with_property <> ''),
    with_value    text,
    rank          int NOT NULL,
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (fleet, name),
    CHECK (with_value IS NULL OR with_property IS NOT NULL)
);
COMMENT ON TABLE holdfast.mapping IS 'Rules for the payloads of a fleet: which value becomes which property; changed by set_mapping';
COMMENT ON COLUMN holdfast.mapping.pointer IS 'JSON pointer (RFC 6901) to the value; empty: the whole payload';
COMMENT ON COLUMN holdfast.mapping.property IS 'Name of the property; of what is flattened the prefix; with opcua a template';
COMMENT ON COLUMN holdfast.mapping.base_type IS 'Base type of ThingWorx; null: by the JSON type of the value';
COMMENT ON COLUMN holdfast.mapping.thing IS 'With opcua: template of the Thing''s name';
COMMENT ON COLUMN holdfast.mapping.devices IS 'Which devices it concerns, with * for any run of characters; null: all';
COMMENT ON COLUMN holdfast.mapping.modules IS 'The same of modules; empty: what the device itself sends; null: both';
COMMENT ON COLUMN holdfast.mapping.subjects IS 'The same of the component (dt-subject); null: any or none';
COMMENT ON COLUMN holdfast.mapping.with_property IS 'Property that the message must have; null: none';
COMMENT ON COLUMN holdfast.mapping.with_value IS 'What its value must be like, with *; null: anything';
COMMENT ON COLUMN holdfast.mapping.rank IS 'Of two rules for one value the one of the higher rank decides, then the one of the later name';
