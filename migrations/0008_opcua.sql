-- Rules for what comes from OPC UA: which values they are about.
ALTER TABLE holdfast.mapping ADD COLUMN writers text, ADD COLUMN nodes text;
COMMENT ON COLUMN holdfast.mapping.writers IS 'With opcua: which data set writers it concerns, with *; null: all';
COMMENT ON COLUMN holdfast.mapping.nodes IS 'With opcua: which node ids or, where a message has none, fields; with *; null: all';

DROP FUNCTION IF EXISTS holdfast.set_mapping(text, text, text, text, text, text, jsonb, text, text, text, text, text, text, text, int);
