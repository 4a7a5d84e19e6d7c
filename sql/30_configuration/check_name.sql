-- check_name(what, value)
-- Purpose: refuses a name of a hub, fleet or destination that would not do as a label of a metric,
--          in a log line, or in a path. Internal.
-- Returns: nothing; raises 22023.   Calls: nothing.   Tables: none.
CREATE OR REPLACE FUNCTION holdfast.check_name(what text, value text)
RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    IF value IS NULL OR value !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$' THEN
        RAISE EXCEPTION '% is no name for a %', coalesce(quote_literal(value), 'null'), what
            USING ERRCODE = '22023',
                  DETAIL = 'A name has 1 to 63 letters, digits, dots, hyphens or underscores, and begins with a letter or digit.',
                  HINT = format('Give the %s a name such as demo.', what);
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.check_name(text, text) IS
    'Internal: refuses a bad name of a hub, fleet or destination';
