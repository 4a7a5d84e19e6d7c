-- set_hub(name, fleet, connection_secret, consumer_group, start_at, enabled, on_new_log,
--         on_invalid_offset, ca_secret, proxy)
-- Purpose: makes or changes a hub. Idempotent; running nodes follow.
-- Parameters: connection_secret: name of the secret that holds the connection string;
--             consumer_group: one that nobody else reads with; start_at: earliest, latest, a time or
--             sequence:N (that event and those behind it, in each partition), for partitions that
--             were never read; enabled: false stops reading, keeps
--             checkpoints; on_new_log: earliest or latest, where to begin in the new log of a hub
--             that was re-created or renamed; on_invalid_offset: stop, earliest or latest, when the
--             hub says that a checkpoint's offset does not exist; ca_secret: name of the secret with
--             the certificate authorities to trust, null for those of the system; proxy: host:port
--             of an HTTP proxy that connects on to the hub, null for none.
-- Returns: nothing; raises 22023.
-- Calls: check_proxy, check_name, check_secret_name, bump, add_event.   Tables: hub (insert, update).
CREATE OR REPLACE FUNCTION holdfast.set_hub(
    name text, fleet text, connection_secret text, consumer_group text,
    start_at text DEFAULT 'earliest', enabled boolean DEFAULT true,
    on_new_log text DEFAULT 'earliest', on_invalid_offset text DEFAULT 'stop',
    ca_secret text DEFAULT NULL, proxy text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    twin text;
    since timestamptz;
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
    IF set_hub.ca_secret IS NOT NULL THEN
        PERFORM holdfast.check_secret_name('ca_secret', set_hub.ca_secret);
    END IF;
    set_hub.proxy := holdfast.check_proxy(set_hub.proxy);
    BEGIN
        -- Words such as yesterday would mean another time at each reading.
        IF set_hub.start_at ~ '^[0-9]' THEN
            since := set_hub.start_at::timestamptz;
        ELSIF set_hub.start_at ~ '^sequence:[0-9]{1,18}$' THEN
            set_hub.start_at := 'sequence:' || split_part(set_hub.start_at, ':', 2)::bigint;
        ELSIF set_hub.start_at NOT IN ('earliest', 'latest') THEN
            set_hub.start_at := NULL;
        END IF;
    EXCEPTION WHEN data_exception THEN
        set_hub.start_at := NULL;
    END;
    IF set_hub.start_at IS NULL OR NOT isfinite(coalesce(since, 'epoch')) OR set_hub.enabled IS NULL
       OR set_hub.on_new_log IS NULL OR set_hub.on_new_log NOT IN ('earliest', 'latest')
       OR set_hub.on_invalid_offset IS NULL OR set_hub.on_invalid_offset NOT IN ('stop', 'earliest', 'latest') THEN
        RAISE EXCEPTION 'start_at, enabled, on_new_log or on_invalid_offset has no meaning'
            USING ERRCODE = '22023',
                  DETAIL = format('start_at is no position or %L, enabled is %L, on_new_log is %L, on_invalid_offset is %L.',
                                  set_hub.start_at, set_hub.enabled, set_hub.on_new_log, set_hub.on_invalid_offset),
                  HINT = 'start_at is earliest, latest, a time such as 2026-11-21 08:00+00, or sequence:4711; enabled is true or false; '
                         'on_new_log is earliest or latest; on_invalid_offset is stop, earliest or latest.';
    END IF;
    -- A time is kept as it was meant, whatever time zone the reader lives in.
    set_hub.start_at := coalesce(to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), set_hub.start_at);
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
        (name, fleet, connection_secret, consumer_group, start_at, enabled, on_new_log,
         on_invalid_offset, ca_secret, proxy)
    VALUES (set_hub.name, set_hub.fleet, set_hub.connection_secret, set_hub.consumer_group,
            set_hub.start_at, set_hub.enabled, set_hub.on_new_log, set_hub.on_invalid_offset,
            set_hub.ca_secret, set_hub.proxy)
    ON CONFLICT (name) DO UPDATE
       SET fleet = excluded.fleet, connection_secret = excluded.connection_secret,
           consumer_group = excluded.consumer_group, start_at = excluded.start_at,
           enabled = excluded.enabled, on_new_log = excluded.on_new_log,
           on_invalid_offset = excluded.on_invalid_offset, ca_secret = excluded.ca_secret,
           proxy = excluded.proxy, updated_at = clock_timestamp()
     WHERE (h.fleet, h.connection_secret, h.consumer_group, h.start_at, h.enabled, h.on_new_log,
            h.on_invalid_offset, h.ca_secret, h.proxy)
        IS DISTINCT FROM
           (excluded.fleet, excluded.connection_secret, excluded.consumer_group,
            excluded.start_at, excluded.enabled, excluded.on_new_log, excluded.on_invalid_offset,
            excluded.ca_secret, excluded.proxy);
    IF FOUND THEN
        PERFORM holdfast.bump('config');
        PERFORM holdfast.add_event('config', NULL, 'hub ' || set_hub.name, 'hub set',
                                   'by ' || session_user);
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.set_hub(text, text, text, text, text, boolean, text, text, text, text) IS
    'Makes or changes a hub; running nodes follow';
