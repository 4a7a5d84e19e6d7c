-- ms(count)
-- Purpose: milliseconds as an interval.
-- Returns: interval.   Calls: nothing.   Tables: none.   Internal.
CREATE OR REPLACE FUNCTION holdfast.ms(count bigint) RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN count * interval '1 millisecond';
COMMENT ON FUNCTION holdfast.ms(bigint) IS 'Internal: milliseconds as an interval';
