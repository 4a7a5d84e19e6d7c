-- raise_tokens(above)
-- Purpose: lets the next token be greater than a value that somebody has seen. A crash, a restore
--          and a promotion can all forget values that were drawn. A value that this server has never
--          drawn may be another's that still draws (two servers promoted at once, unfenced): beyond the
--          clock the two do not draw the same.
-- Parameters: above: highest token seen; null: none.
-- Returns: nothing.   Calls: nothing.   Tables: sequence token.   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.raise_tokens(above bigint) RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    IF above > (SELECT t.last_value FROM token t) THEN
        PERFORM setval('holdfast.token',
                       greatest(above, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint), true);
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.raise_tokens(bigint) IS 'Internal: lets the next token be greater than a value seen';
