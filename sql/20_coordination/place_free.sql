-- place_free(fall_back)
-- Purpose: gives every partition without an owner to a live session, at once, under a fresh token.
--          What cannot be placed loses its token.
-- Parameters: fall_back: see placement().
-- Returns: number of partitions granted.   Calls: placement, grant_partitions, fence_free.
-- Tables: partition (read).   Internal; needs the lock on cluster.
CREATE OR REPLACE FUNCTION holdfast.place_free(fall_back boolean DEFAULT true) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
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
        PERFORM fence_free();
    END IF;
    RETURN v_count;
END
$$;
COMMENT ON FUNCTION holdfast.place_free(boolean) IS 'Internal: gives partitions without an owner to live sessions';
