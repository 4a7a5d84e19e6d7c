-- set_destination(name, base_urls, app_key_secret, ...)
-- Purpose: makes or changes a destination, a ThingWorx cluster. Idempotent; running nodes follow.
-- Parameters: base_urls: http(s)://host[:port]/Thingworx, one per platform node or load balancer;
--             app_key_secret: name of the secret that holds the app key;
--             max_in_flight: requests of one node on the wire at a time; request_timeout_ms;
--             max_rows, max_bytes: greatest request; linger_ms: how long a value may wait for others;
--             delivery: auto (many Things in one request where ThingWorx has the bulk service) or
--             per_thing; adaptive: as few requests on the wire as suffice, at most max_in_flight;
--             max_rows_per_second: of one node, 0 for no limit;
--             failed_after_s: seconds without a value taken, while some wait, until it counts as
--             failed; ca_secret: name of the secret with the authorities to trust, null for those
--             of the system; certificate_secret: of the secret with a client certificate and its
--             key, null for none; proxy: host:port of an HTTP proxy, null for none.
-- Returns: nothing; raises 22023.
-- Calls: check_name, check_secret_name, check_base_urls, check_range, check_proxy, bump, add_event.
-- Tables: destination (insert, update).
CREATE OR REPLACE FUNCTION holdfast.set_destination(
    name text, base_urls text[], app_key_secret text,
    max_in_flight int DEFAULT 16, request_timeout_ms int DEFAULT 10000,
    max_rows int DEFAULT 1000, max_bytes int DEFAULT 1048576, linger_ms int DEFAULT 0,
    delivery text DEFAULT 'auto', adaptive boolean DEFAULT true, max_rows_per_second int DEFAULT 0,
    failed_after_s int DEFAULT 900, ca_secret text DEFAULT NULL,
    certificate_secret text DEFAULT NULL, proxy text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM holdfast.check_name('destination', set_destination.name);
    PERFORM holdfast.check_secret_name('app_key_secret', set_destination.app_key_secret);
    PERFORM holdfast.check_range('max_in_flight', set_destination.max_in_flight, 1, 1024);
    PERFORM holdfast.check_range('request_timeout_ms', set_destination.request_timeout_ms, 100, 600000);
    PERFORM holdfast.check_range('max_rows', set_destination.max_rows, 1, 100000);
    PERFORM holdfast.check_range('max_bytes', set_destination.max_bytes, 1024, 67108864);
    PERFORM holdfast.check_range('linger_ms', set_destination.linger_ms, 0, 60000);
    PERFORM holdfast.check_range('max_rows_per_second', set_destination.max_rows_per_second, 0, 2000000000);
    PERFORM holdfast.check_range('failed_after_s', set_destination.failed_after_s, 1, 86400);
    IF set_destination.ca_secret IS NOT NULL THEN
        PERFORM holdfast.check_secret_name('ca_secret', set_destination.ca_secret);
    END IF;
    IF set_destination.certificate_secret IS NOT NULL THEN
        PERFORM holdfast.check_secret_name('certificate_secret', set_destination.certificate_secret);
    END IF;
    set_destination.proxy := holdfast.check_proxy(set_destination.proxy);
    IF set_destination.delivery IS NULL OR set_destination.delivery NOT IN ('auto', 'per_thing') THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('delivery must be auto or per_thing, not %L', set_destination.delivery),
            DETAIL = 'It says how values reach the destination ' || set_destination.name || '.',
            HINT = 'auto uses the bulk service where ThingWorx has it and falls back by itself.';
    END IF;

    INSERT INTO holdfast.destination AS d
        (name, base_urls, app_key_secret, max_in_flight, request_timeout_ms, max_rows, max_bytes,
         linger_ms, delivery, adaptive, max_rows_per_second, failed_after_s, ca_secret,
         certificate_secret, proxy)
    VALUES (set_destination.name, holdfast.check_base_urls(set_destination.base_urls),
            set_destination.app_key_secret, set_destination.max_in_flight,
            set_destination.request_timeout_ms, set_destination.max_rows,
            set_destination.max_bytes, set_destination.linger_ms, set_destination.delivery,
            coalesce(set_destination.adaptive, true), set_destination.max_rows_per_second,
            set_destination.failed_after_s, set_destination.ca_secret,
            set_destination.certificate_secret, set_destination.proxy)
    ON CONFLICT (name) DO UPDATE
       SET base_urls = excluded.base_urls, app_key_secret = excluded.app_key_secret,
           max_in_flight = excluded.max_in_flight,
           request_timeout_ms = excluded.request_timeout_ms,
           max_rows = excluded.max_rows, max_bytes = excluded.max_bytes,
           linger_ms = excluded.linger_ms, delivery = excluded.delivery,
           adaptive = excluded.adaptive, max_rows_per_second = excluded.max_rows_per_second,
           failed_after_s = excluded.failed_after_s, ca_secret = excluded.ca_secret,
           certificate_secret = excluded.certificate_secret, proxy = excluded.proxy,
           updated_at = clock_timestamp()
     WHERE (d.base_urls, d.app_key_secret, d.max_in_flight, d.request_timeout_ms, d.max_rows,
            d.max_bytes, d.linger_ms, d.delivery, d.adaptive, d.max_rows_per_second,
            d.failed_after_s, d.ca_secret, d.certificate_secret, d.proxy)
        IS DISTINCT FROM
           (excluded.base_urls, excluded.app_key_secret, excluded.max_in_flight,
            excluded.request_timeout_ms, excluded.max_rows, excluded.max_bytes, excluded.linger_ms,
            excluded.delivery, excluded.adaptive, excluded.max_rows_per_second,
            excluded.failed_after_s, excluded.ca_secret, excluded.certificate_secret,
            excluded.proxy);
    IF FOUND THEN
        PERFORM holdfast.bump('config');
        PERFORM holdfast.add_event('config', NULL, 'destination ' || set_destination.name,
                                   'destination set', 'by ' || session_user);
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.set_destination(text, text[], text, int, int, int, int, int, text, boolean, int, int, text, text, text) IS
    'Makes or changes a destination (a ThingWorx cluster); running nodes follow';
