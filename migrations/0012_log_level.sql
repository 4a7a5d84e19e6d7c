-- How much a node logs for a while, as an administrator asks.
CREATE TABLE holdfast.log_level (
    node   text NOT NULL PRIMARY KEY,
    id     bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    level  text CHECK (level IN ('debug', 'info', 'warning', 'error')),
    until  timestamptz NOT NULL,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE holdfast.log_level IS 'How much nodes log for a while; the latest that fits a node counts';
COMMENT ON COLUMN holdfast.log_level.node IS 'Name of the node; empty: all';
COMMENT ON COLUMN holdfast.log_level.id IS 'Rises with each wish, so that a node tells a new one from one it has heard of';
COMMENT ON COLUMN holdfast.log_level.level IS 'NULL: as the node was started';
COMMENT ON COLUMN holdfast.log_level.until IS 'When the node falls back by itself';
