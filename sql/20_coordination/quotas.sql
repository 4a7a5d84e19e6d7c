-- quotas()
-- Purpose: how many partitions each live session should own: by capacity (see shares()), except that
--          a node to which more are pinned gets those, and that a node that flaps (node.steady_at)
--          keeps what it has and gets no more, as long as somebody steady is there to take them.
-- Returns: per live session: its weight, the partitions that it owns or is about to get, its quota.
--          The quotas add up to all placeable partitions when any session may own one.
-- Calls: shares.   Tables: pin, node (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.quotas()
RETURNS TABLE (session_id int, node text, weight bigint, held bigint, quota bigint)
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_fixed  int[] := '{}';
    v_counts bigint[] := '{}';
    v_more   int[];
    v_held   bigint[];
BEGIN
    -- What is fixed for one changes the shares of the others, so again until nothing changes.
    WHILE EXISTS (SELECT FROM pin) LOOP
        SELECT array_agg(s.session_id), array_agg(s.pinned) INTO v_more, v_held
          FROM shares(v_fixed, v_counts) s
         WHERE s.pinned > s.quota AND s.session_id <> ALL (v_fixed);
        EXIT WHEN v_more IS NULL;
        v_fixed := v_fixed || v_more;
        v_counts := v_counts || v_held;
    END LOOP;
    WHILE EXISTS (SELECT FROM node n WHERE n.steady_at > clock_timestamp()) LOOP
        WITH s AS MATERIALIZED (SELECT * FROM shares(v_fixed, v_counts))
        SELECT array_agg(s.session_id), array_agg(s.held) INTO v_more, v_held
          FROM s
         WHERE s.waits AND s.held < s.quota AND s.session_id <> ALL (v_fixed)
           AND EXISTS (SELECT FROM s AS o WHERE o.weight > 0 AND NOT o.waits AND o.session_id <> ALL (v_fixed));
        EXIT WHEN v_more IS NULL;
        v_fixed := v_fixed || v_more;
        v_counts := v_counts || v_held;
    END LOOP;
    RETURN QUERY SELECT s.session_id, s.node, s.weight, s.held, s.quota FROM shares(v_fixed, v_counts) s;
END
$$;
COMMENT ON FUNCTION holdfast.quotas() IS 'Internal: how many partitions each live session should own';
