-- lock_class()
-- Purpose: first key of every advisory lock of this project (the second is the session's number):
--          the four letters HOLD. The two-key form never collides with one-key locks of others.
-- Returns: int.   Calls: nothing.   Tables: none.   Internal.
CREATE OR REPLACE FUNCTION holdfast.lock_class() RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 1213156420;
COMMENT ON FUNCTION holdfast.lock_class() IS 'Internal: first key of the advisory locks that are leases';
