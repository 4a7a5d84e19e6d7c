-- claim_replays(session_key, max_rows)
-- Purpose: claim_dead_letters for nodes of the version before, without contexts.
-- Returns: as there; raises HF002, 22023.
-- Calls: claim_dead_letters.   Tables: none.
CREATE OR REPLACE FUNCTION holdfast.claim_replays(session_key uuid, max_rows int)
RETURNS TABLE (dead_letter_id bigint, partition_id int, hub text, fleet text, device text,
               module text, enqueued_ms bigint, property text, payload bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
        SELECT c.dead_letter_id, c.partition_id, c.hub, c.fleet, c.device, c.module, c.enqueued_ms,
               c.property, c.payload
          FROM holdfast.claim_dead_letters(claim_replays.session_key, claim_replays.max_rows) AS c;
END
$$;
COMMENT ON FUNCTION holdfast.claim_replays(uuid, int) IS
    'For nodes of the version before: claim_dead_letters without contexts';
