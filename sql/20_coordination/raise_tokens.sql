-- raise_tokens(above)
-- Purpose: lets the next token be greater than a value that somebody has seen. A crash, a restore
--          and a promotion can all forget values that were drawn.
-- Parameters: above: highest token seen; null: none.
-- Returns: nothing.   Calls: nothing.   Tables: sequence token.   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.raise_tokens(above bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    IF above >= (SELECT t.last_value FROM token t) THEN
        PERFORM setval('holdfast.token', above, true);
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.raise_tokens(bigint) IS 'Internal: lets the next token be greater than a value seen';
