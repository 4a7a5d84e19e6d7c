-- new_token()
-- Purpose: draws a fencing token. Call it only with the lock on `cluster`, and write the token in
--          the same transaction: it exists once that transaction has committed synchronously.
-- Returns: bigint, greater than every token before.   Calls: nothing.   Tables: sequence token.   Internal.
CREATE OR REPLACE FUNCTION holdfast.new_token() RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = holdfast, pg_catalog, pg_temp
AS $$ SELECT nextval('holdfast.token') $$;
COMMENT ON FUNCTION holdfast.new_token() IS 'Internal: draws a fencing token; needs the lock on cluster';
