-- open_terms(candidate)
-- Purpose: opens the next term of every lease that nobody holds, so that leadership never waits for
--          a campaign. A term begins no earlier than the last one ended, whatever the clock says.
-- Parameters: candidate: session that should get it (it has just shown that it lives), or null.
--             Drained nodes come last.
-- Returns: nothing.   Calls: new_token, add_event.
-- Tables: lease (lock, update), term (insert), session, node (read).   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.open_terms(candidate int) RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_lease lease;
    v_session session;
BEGIN
    SELECT s.* INTO v_session
      FROM session s
      JOIN node n ON n.name = s.node
     WHERE s.ended_at IS NULL
     ORDER BY n.drained_at IS NOT NULL, (s.session_id = candidate) IS TRUE DESC, s.session_id
     LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR v_lease IN SELECT l.* FROM lease l WHERE l.session_id IS NULL ORDER BY l.name FOR UPDATE LOOP
        UPDATE lease l
           SET session_id = v_session.session_id, token = new_token()
         WHERE l.name = v_lease.name
        RETURNING l.* INTO v_lease;
        INSERT INTO term (lease, token, session_id, node, during)
        VALUES (v_lease.name, v_lease.token, v_session.session_id, v_session.node,
                tstzrange(greatest(clock_timestamp(), v_lease.free_since), NULL));
        PERFORM add_event('term', v_session.node, format('lease %s', v_lease.name),
                          format('A new term began under token %s', v_lease.token));
        PERFORM pg_notify('holdfast', format('leader %s', v_session.session_id));
    END LOOP;
END
$$;
COMMENT ON FUNCTION holdfast.open_terms(int) IS 'Internal: opens the next term of leases that nobody holds';
