-- How rows reach a destination: many Things in one request, concurrency, a limit of the rate.
ALTER TABLE holdfast.destination
    ADD COLUMN delivery text NOT NULL DEFAULT 'auto'
        CONSTRAINT destination_delivery CHECK (delivery IN ('auto', 'per_thing')),
    ADD COLUMN adaptive boolean NOT NULL DEFAULT true,
    ADD COLUMN max_rows_per_second int NOT NULL DEFAULT 0
        CONSTRAINT destination_max_rows_per_second CHECK (max_rows_per_second >= 0);
COMMENT ON COLUMN holdfast.destination.delivery IS 'auto: by the bulk service where ThingWorx has it, else per Thing; per_thing: never by the bulk service';
COMMENT ON COLUMN holdfast.destination.adaptive IS 'Whether a node has as few requests on the wire as suffice, with max_in_flight as the ceiling';
COMMENT ON COLUMN holdfast.destination.max_rows_per_second IS 'Values that one node sends in a second at most; 0: no limit';

DROP FUNCTION IF EXISTS holdfast.set_destination(text, text[], text, int, int, int, int, int);
