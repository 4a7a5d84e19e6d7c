-- require_leader(session_id, leader_token)
-- Purpose: refuses (HF006) unless the session holds the leader lease under this very token.
-- Returns: nothing.   Calls: nothing.   Tables: lease (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.require_leader(session_id int, leader_token bigint) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM lease l
                    WHERE l.name = 'leader' AND l.session_id = require_leader.session_id
                      AND l.token = require_leader.leader_token) THEN
        RAISE EXCEPTION USING ERRCODE = 'HF006',
            MESSAGE = format('Session %s is not the leader under token %s', session_id, leader_token),
            DETAIL = (SELECT format('The leader is session %s under token %s.',
                                    coalesce(l.session_id::text, 'none'), coalesce(l.token::text, 'none'))
                        FROM lease l WHERE l.name = 'leader'),
            HINT = 'Stop acting as the leader; poll() says who is.';
    END IF;
END
$$;
COMMENT ON FUNCTION holdfast.require_leader(int, bigint) IS 'Internal: raises HF006 unless the session leads under this token';
