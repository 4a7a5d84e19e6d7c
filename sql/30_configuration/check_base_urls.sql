-- check_base_urls(base_urls)
-- Purpose: checks the base URLs of a destination and returns them in their one form: no slash at
--          the end, no double. Internal. A URL that may hold credentials is not repeated in a message.
-- Returns: the URLs, in the order given; raises 22023.   Calls: nothing.   Tables: none.
CREATE OR REPLACE FUNCTION holdfast.check_base_urls(base_urls text[])
RETURNS text[]
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    hint constant text :=
        'Give one URL for each ThingWorx node or load balancer, such as https://thingworx.example.com/Thingworx.';
    urls text[];
    bad text;
BEGIN
    SELECT array_agg(u.url ORDER BY u.place)
      INTO urls
      FROM (SELECT rtrim(x.url, '/') AS url, min(x.place) AS place
              FROM unnest(base_urls) WITH ORDINALITY AS x (url, place)
             GROUP BY rtrim(x.url, '/')) AS u;
    IF coalesce(cardinality(urls), 0) NOT BETWEEN 1 AND 32 THEN
        RAISE EXCEPTION 'a destination needs 1 to 32 base URLs'
            USING ERRCODE = '22023',
                  DETAIL = format('%s were given.', coalesce(cardinality(urls), 0)),
                  HINT = hint;
    END IF;
    IF EXISTS (SELECT FROM unnest(urls) AS u (url) WHERE octet_length(u.url) > 2048) THEN
        RAISE EXCEPTION 'a base URL is too long'
            USING ERRCODE = '22023', DETAIL = 'At most 2048 bytes are taken.', HINT = hint;
    END IF;
    IF EXISTS (SELECT FROM unnest(urls) AS u (url) WHERE u.url ~ '[@?#]') THEN
        RAISE EXCEPTION 'a base URL has a user, a query or a fragment'
            USING ERRCODE = '22023',
                  DETAIL = 'Credentials never stand in the database: the app key is a secret, named by app_key_secret.',
                  HINT = hint;
    END IF;
    SELECT coalesce(u.url, 'null')
      INTO bad
      FROM unnest(urls) AS u (url)
     WHERE u.url IS NULL
        OR u.url !~ '^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~%-]+)*/Thingworx$'
        OR substring(u.url FROM '^https?://(?:[A-Za-z0-9._-]+|\[[^]]*\]):([0-9]{1,5})/')::int
           NOT BETWEEN 1 AND 65535
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a base URL is not of the form http(s)://host[:port]/Thingworx'
            USING ERRCODE = '22023', DETAIL = format('It is %s.', bad), HINT = hint;
    END IF;
    RETURN urls;
END
$$;
COMMENT ON FUNCTION holdfast.check_base_urls(text[]) IS
    'Internal: checks the base URLs of a destination and returns them in their one form';
