-- check_length(argument, value, most)
-- Purpose: refuses a text that is longer than anybody means: rows are read by all nodes, and names must
--          fit into indexes. Internal. Null is short enough.
-- Parameters: argument: name of the argument, for the message; most: bytes in UTF-8.
-- Returns: nothing; raises 22023.   Calls: nothing.   Tables: none.
CREATE OR REPLACE FUNCTION holdfast.check_length(argument text, value text, most int) RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(value) > most THEN
        RAISE EXCEPTION '% is too long', argument
            USING ERRCODE = '22023',
                  DETAIL = format('It has %s bytes, beginning with %L; at most %s are taken.',
                                  octet_length(value), left(value, 40), most),
                  HINT = 'Give a shorter one.';
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.check_length(text, text, int) IS 'Internal: refuses a text that is longer than anybody means';
