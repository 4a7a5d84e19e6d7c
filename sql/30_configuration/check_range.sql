-- check_range(argument, value, lowest, highest)
-- Purpose: refuses a number out of its range, null too, with a message that says the range. Internal.
-- Returns: nothing; raises 22023.   Calls: nothing.   Tables: none.
CREATE OR REPLACE FUNCTION holdfast.check_range(argument text, value bigint, lowest bigint,
                                                highest bigint)
RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    IF value IS NULL OR value < check_range.lowest OR value > check_range.highest THEN
        RAISE EXCEPTION '% is out of its range', argument
            USING ERRCODE = '22023',
                  DETAIL = format('%s was given.', coalesce(value::text, 'null')),
                  HINT = format('Give a number from %s to %s.', check_range.lowest,
                                check_range.highest);
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.check_range(text, bigint, bigint, bigint) IS
    'Internal: refuses a number out of its range';
