-- Hubs behind a proxy; dead letters that keep what came with the event besides its body.

ALTER TABLE holdfast.hub ADD COLUMN proxy text CHECK (proxy <> '');
COMMENT ON COLUMN holdfast.hub.proxy IS 'host:port of an HTTP proxy that connects on to the hub (CONNECT); null: none';
COMMENT ON COLUMN holdfast.hub.start_at IS 'Where a partition that was never read begins: earliest, latest, a time, or sequence:N';

-- Its place is taken by one with more parameters; two would make calls ambiguous.
DROP FUNCTION IF EXISTS holdfast.set_hub(text, text, text, text, text, boolean, text, text, text);

ALTER TABLE holdfast.dead_letter ADD COLUMN context jsonb NOT NULL DEFAULT '{}'
    CHECK (jsonb_typeof(context) = 'object');
COMMENT ON COLUMN holdfast.dead_letter.context IS 'What came with the event besides device, time and body: creation_ms, content_type, properties, ...';
