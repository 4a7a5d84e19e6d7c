-- lock_cluster()
-- Purpose: takes the lock that every change of membership or assignment holds. Read what you decide
--          on in a later statement: only its snapshot has seen what the last holder committed.
--          Makes the commit synchronous: a token that a crash can forget is no fence.
--          While it is held nobody is buried and nothing changes hands, so whoever holds it and then
--          says nothing for a TTL (an administrator in an open transaction) loses its connection.
-- Returns: nothing; raises HF007 while a synchronous standby is away, HF005 in a transaction whose later
--          statements would not see what the last holder committed.
-- Calls: require_synchronous, setting_ms.   Tables: cluster (lock).   Internal.
CREATE OR REPLACE FUNCTION holdfast.lock_cluster() RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_ttl_ms  constant int := setting_ms('ttl_ms');
    v_idle_ms constant numeric :=
        extract(epoch FROM current_setting('idle_in_transaction_session_timeout')::interval) * 1000;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING ERRCODE = 'HF005',
            MESSAGE = format('The transaction is %s: it cannot see what others change while it waits for them',
                             current_setting('transaction_isolation')),
            DETAIL = 'Every change of membership, assignment or configuration waits for the one before it, and decides on what that one has left.',
            HINT = 'Call it in a transaction that is read committed. Where default_transaction_isolation is set for the role, the database or the server, reset it for Holdfast.';
    END IF;
    -- In the body: a SET clause of the function would be undone before the commit.
    PERFORM set_config('synchronous_commit', 'on', true);
    IF v_idle_ms = 0 OR v_idle_ms > v_ttl_ms THEN
        PERFORM set_config('idle_in_transaction_session_timeout', v_ttl_ms::text, true);
    END IF;
    PERFORM require_synchronous();
    PERFORM FROM cluster FOR UPDATE;
END
$$;
COMMENT ON FUNCTION holdfast.lock_cluster() IS 'Internal: the first lock of every change of membership or assignment';
