-- lock_cluster()
-- Purpose: takes the lock that every change of membership or assignment holds. Read what you decide
--          on in a later statement: only its snapshot has seen what the last holder committed.
--          Makes the commit synchronous: a token that a crash can forget is no fence.
-- Returns: nothing; raises HF007 while a synchronous standby is away.
-- Calls: require_synchronous.   Tables: cluster (lock).   Internal.
CREATE OR REPLACE FUNCTION holdfast.lock_cluster() RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    -- In the body: a SET clause of the function would be undone before the commit.
    PERFORM set_config('synchronous_commit', 'on', true);
    PERFORM require_synchronous();
    PERFORM FROM cluster FOR UPDATE;
END
$$;
COMMENT ON FUNCTION holdfast.lock_cluster() IS 'Internal: the first lock of every change of membership or assignment';
