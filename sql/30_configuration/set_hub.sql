-- set_hub(name, fleet, connection_secret, consumer_group, start_at, enabled)
-- Purpose: makes or changes a hub. Idempotent; running nodes follow.
-- Parameters: connection_secret: name of the secret that holds the connection string;
--             consumer_group: one that nobody else reads with; start_at: earliest or latest, for
--             partitions without a checkpoint; enabled: false stops reading, keeps checkpoints.
-- Returns: nothing; raises 22023.
-- Calls: check_name, check_secret_name, bump, add_event.   Tables: hub (insert, update).
CREATE OR REPLACE FUNCTION holdfast.set_hub(
    name text, fleet text, connection_secret text, consumer_group text,
    start_at text DEFAULT 'earliest', enabled boolean DEFAULT true)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    twin text;
BEGIN
    PERFORM holdfast.check_name('hub', set_hub.name);
    PERFORM holdfast.check_secret_name('connection_secret', set_hub.connection_secret);
    IF coalesce(set_hub.consumer_group, '') !~ '^(\$Default|[A-Za-z0-9][A-Za-z0-9._-]{0,49})$' THEN
        RAISE EXCEPTION '% is no consumer group',
                coalesce(quote_literal(set_hub.consumer_group), 'null')
            USING ERRCODE = '22023',
                  DETAIL = 'A consumer group has 1 to 50 letters, digits, dots, hyphens or underscores.',
                  HINT = 'Make a consumer group for Holdfast alone on the hub, such as holdfast, and give its name.';
    END IF;
    IF set_hub.start_at IS NULL OR set_hub.start_at NOT IN ('earliest', 'latest') OR set_hub.enabled IS NULL THEN
        RAISE EXCEPTION 'start_at or enabled has no meaning'
            USING ERRCODE = '22023',
                  DETAIL = format('start_at is %L, enabled is %L.', set_hub.start_at, set_hub.enabled),
                  HINT = 'start_at is earliest or latest; enabled is true or false.';
    END IF;
    IF NOT EXISTS (SELECT FROM holdfast.fleet f WHERE f.name = set_hub.fleet) THEN
        RAISE EXCEPTION 'there is no fleet %', coalesce(quote_literal(set_hub.fleet), 'null')
            USING ERRCODE = '22023', DETAIL = 'A hub belongs to one fleet.',
                  HINT = 'Make it first with holdfast.set_fleet.';
    END IF;
    SELECT h.name INTO twin
      FROM holdfast.hub h
     WHERE h.connection_secret = set_hub.connection_secret
       AND h.consumer_group = set_hub.consumer_group AND h.name <> set_hub.name;
    IF FOUND THEN
        RAISE EXCEPTION 'hub % already reads that log with that consumer group', quote_literal(twin)
            USING ERRCODE = '22023',
                  DETAIL = 'Two readers in one consumer group would throw each other off for ever.',
                  HINT = 'Give another consumer group, or drop the other hub first.';
    END IF;
    IF set_hub.consumer_group = '$Default' THEN
        RAISE WARNING 'consumer group $Default is often read by others'
            USING DETAIL = 'Holdfast reads with an epoch, which throws readers without one off.',
                  HINT = 'Make a consumer group for Holdfast alone.';
    END IF;

    INSERT INTO holdfast.hub AS h
        (name, fleet, connection_secret, consumer_group, start_at, enabled)
    VALUES (set_hub.name, set_hub.fleet, set_hub.connection_secret, set_hub.consumer_group,
            set_hub.start_at, set_hub.enabled)
    ON CONFLICT (name) DO UPDATE
       SET fleet = excluded.fleet, connection_secret = excluded.connection_secret,
           consumer_group = excluded.consumer_group, start_at = excluded.start_at,
           enabled = excluded.enabled, updated_at = clock_timestamp()
     WHERE (h.fleet, h.connection_secret, h.consumer_group, h.start_at, h.enabled)
        IS DISTINCT FROM
           (excluded.fleet, excluded.connection_secret, excluded.consumer_group,
            excluded.start_at, excluded.enabled);
    IF FOUND THEN
        PERFORM holdfast.bump('config');
        PERFORM holdfast.add_event('config', NULL, 'hub ' || set_hub.name, 'hub set',
                                   'by ' || session_user);
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.set_hub(text, text, text, text, text, boolean) IS
    'Makes or changes a hub; running nodes follow';
