-- check_secret_name(argument, value)
-- Purpose: refuses what is no name of a secret, above all a secret itself. Internal. The value is
--          never repeated in the message: it may be a secret, and messages end in logs.
-- Parameters: argument: name of the argument that is checked, for the message.
-- Returns: nothing; raises 22023.   Calls: nothing.   Tables: none.
CREATE OR REPLACE FUNCTION holdfast.check_secret_name(argument text, value text)
RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    IF value IS NULL OR value = '' THEN
        RAISE EXCEPTION '% is empty', argument
            USING ERRCODE = '22023',
                  DETAIL = 'It must name a secret that the nodes find in their secrets folder or environment.',
                  HINT = 'Give the name of a file in the secrets folder.';
    END IF;
    -- A connection string, or an app key of ThingWorx, which is a uuid.
    IF value ~* 'SharedAccessKey\s*=' OR value ~* 'Endpoint\s*=' OR value ~* 'AccessSignature'
       OR value ~* '^\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?$' THEN
        RAISE EXCEPTION '% looks like a secret itself', argument
            USING ERRCODE = '22023',
                  DETAIL = 'Secrets never stand in the database; a row only names them.',
                  HINT = 'Put the secret into a file of the secrets folder of each node and give the name of that file. Renew the secret if this statement may have been logged.';
    END IF;
    IF value !~ '^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$' THEN
        RAISE EXCEPTION '% is no name of a secret', argument
            USING ERRCODE = '22023',
                  DETAIL = 'The name of a secret has 1 to 128 letters, digits, dots, hyphens or underscores and does not begin with a dot or hyphen.',
                  HINT = 'Give the name of a file in the secrets folder, without a path.';
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.check_secret_name(text, text) IS
    'Internal: refuses what is no name of a secret, above all a secret itself';
