-- Whether Things that are missing are made, and of what.
CREATE TABLE holdfast.thing_creation (
    fleet      text COLLATE "C" PRIMARY KEY REFERENCES holdfast.fleet ON DELETE CASCADE,
    template   text NOT NULL CHECK (template <> ''),
    project    text CHECK (project <> ''),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE holdfast.thing_creation IS 'Fleets whose missing Things are made; changed by set_thing_creation, off where there is no row';
COMMENT ON COLUMN holdfast.thing_creation.template IS 'ThingTemplate of the Things that are made';
COMMENT ON COLUMN holdfast.thing_creation.project IS 'Project in which they are made; null: that of the platform';
