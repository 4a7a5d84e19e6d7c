-- check_proxy(proxy)
-- Purpose: refuses what is no HTTP proxy of the form host:port; null means none. Internal.
-- Returns: the proxy as host:port; raises 22023.   Calls: nothing.   Tables: none.
CREATE OR REPLACE FUNCTION holdfast.check_proxy(proxy text)
RETURNS text
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    plain constant text := regexp_replace(proxy, '^http://(.*?)/?$', '\1');
BEGIN
    -- The text is not repeated: it could hold a password.
    IF plain !~ '^([A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}$'
       OR substring(plain FROM '[0-9]+$')::int NOT BETWEEN 1 AND 65535 THEN
        RAISE EXCEPTION 'the proxy is not of the form host:port'
            USING ERRCODE = '22023',
                  DETAIL = 'A proxy is a host name or an address ([...] for IPv6) and a port; user and password are not supported.',
                  HINT = 'Name an HTTP proxy that allows CONNECT to the port, such as proxy.example.com:3128, or null.';
    END IF;
    RETURN plain;
END
$$;
COMMENT ON FUNCTION holdfast.check_proxy(text) IS
    'Internal: refuses what is no HTTP proxy of the form host:port';
