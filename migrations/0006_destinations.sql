-- Destinations that fail for long, and how they are reached: own authorities, client certificates,
-- a proxy.
ALTER TABLE holdfast.destination
    ADD COLUMN failed_after_s int NOT NULL DEFAULT 900
        CONSTRAINT destination_failed_after_s CHECK (failed_after_s > 0),
    ADD COLUMN ca_secret text,
    ADD COLUMN certificate_secret text,
    ADD COLUMN proxy text,
    ADD COLUMN restarts bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN holdfast.destination.failed_after_s IS 'Seconds without a single value taken, while some wait, after which it is called failed';
COMMENT ON COLUMN holdfast.destination.ca_secret IS 'Name of the secret with the authorities (PEM) that its certificates must be signed by; NULL: those of the system';
COMMENT ON COLUMN holdfast.destination.certificate_secret IS 'Name of the secret with the client certificate and its key (PEM); NULL: none';
COMMENT ON COLUMN holdfast.destination.proxy IS 'HTTP proxy as host:port; NULL: none';
COMMENT ON COLUMN holdfast.destination.restarts IS 'Counts the calls of restart_destination, so that nodes notice them';

DROP FUNCTION IF EXISTS holdfast.set_destination(text, text[], text, int, int, int, int, int, text, boolean, int);
