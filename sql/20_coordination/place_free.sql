-- place_free(fall_back)
-- Purpose: gives every partition without an owner to a live session, at once, under a fresh token.
--          What cannot be placed loses its token.
-- Parameters: fall_back: see placement().
-- Returns: number of partitions granted.   Calls: placement, grant_partitions, fence_free, add_event.
-- Tables: partition, session (read).   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.place_free(fall_back boolean DEFAULT true) RETURNS int
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_ids      int[];
    v_sessions int[];
    v_count    int := 0;
BEGIN
    IF EXISTS (SELECT FROM partition p WHERE p.owner_session_id IS NULL) THEN
        SELECT array_agg(p.partition_id), array_agg(p.to_session) INTO v_ids, v_sessions
          FROM placement(false, fall_back) p;
        v_count := grant_partitions(v_ids, v_sessions, 'forced');
        IF v_count > 0 THEN
            PERFORM add_event('move', NULL, NULL, 'Partitions without an owner were given to nodes at once',
                              -- Of a large cluster the first ones, and how many more there are.
                              (SELECT string_agg(format('%s to %s', n.count, n.node), ', ' ORDER BY n.nr) FILTER (WHERE n.nr <= 10)
                                      || CASE WHEN count(*) > 10 THEN format(', and others to %s more nodes', count(*) - 10) ELSE '' END
                                 FROM (SELECT s.node, count(*), row_number() OVER (ORDER BY count(*) DESC, s.node) AS nr
                                         FROM unnest(v_sessions) AS w (session_id)
                                         JOIN session s ON s.session_id = w.session_id
                                        GROUP BY s.node) n) || '.');
        END IF;
        PERFORM fence_free();
    END IF;
    RETURN v_count;
END
$$;
COMMENT ON FUNCTION holdfast.place_free(boolean) IS 'Internal: gives partitions without an owner to live sessions';
