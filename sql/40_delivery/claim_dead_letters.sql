-- claim_dead_letters(session_key, max_rows)
-- Purpose: hands dead letters whose replay was requested to the owner of their partition, oldest
--          first. A claim ends with the session that made it and with the grant of the partition,
--          whichever ends first; then the dead letter is handed out again.
-- Returns: what was claimed, in the order in which it is to be delivered; raises HF002, 22023; 55P03 while
--          somebody else is at one of them: checkpoints would wait behind this call.
-- Calls: session_of, check_range.   Tables: dead_letter (update), partition, hub (read).
CREATE OR REPLACE FUNCTION holdfast.claim_dead_letters(session_key uuid, max_rows int)
RETURNS TABLE (dead_letter_id bigint, partition_id int, hub text, fleet text, device text,
               module text, enqueued_ms bigint, property text, payload bytea, context jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    me constant int := holdfast.session_of(session_key);
BEGIN
    PERFORM holdfast.check_range('max_rows', max_rows, 1, 10000);
    -- A crash that forgets a claim has ended the session too that made it.
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN QUERY
    -- Partition by partition: hundreds of thousands that are others' to replay are not looked at.
    WITH wanted AS MATERIALIZED (
        SELECT l.dead_letter_id, l.created_at, p.token
          FROM holdfast.partition p
         CROSS JOIN LATERAL (
                SELECT d.dead_letter_id, d.created_at, d.generation, d.sequence
                  FROM holdfast.dead_letter d
                 WHERE d.partition_id = p.partition_id AND d.state = 'requested'
                   AND (d.claimed_by, d.claimed_token) IS DISTINCT FROM (me, p.token)
                 ORDER BY d.generation, d.sequence, d.dead_letter_id
                 LIMIT max_rows) l
         WHERE p.owner_session_id = me AND p.state = 'owned'
         ORDER BY p.partition_id, l.generation, l.sequence, l.dead_letter_id
         LIMIT max_rows
    ), locked AS MATERIALIZED (
        SELECT d.dead_letter_id, d.created_at, w.token
          FROM wanted w
          JOIN holdfast.dead_letter d ON d.dead_letter_id = w.dead_letter_id AND d.created_at = w.created_at
         WHERE d.state = 'requested' AND (d.claimed_by, d.claimed_token) IS DISTINCT FROM (me, w.token)
           FOR UPDATE OF d NOWAIT
    ), claimed AS (
        UPDATE holdfast.dead_letter d
           SET claimed_by = me, claimed_token = w.token
          FROM locked w
         WHERE d.dead_letter_id = w.dead_letter_id AND d.created_at = w.created_at
        RETURNING d.*
    )
    SELECT c.dead_letter_id, c.partition_id, h.name::text, h.fleet::text, c.device::text,
           c.module::text, c.enqueued_ms, c.property::text, c.payload, c.context
      FROM claimed c
      JOIN holdfast.hub h ON h.name = c.hub
     ORDER BY c.partition_id, c.generation, c.sequence, c.dead_letter_id;
EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION 'dead letters to be replayed are being changed'
        USING ERRCODE = '55P03',
              DETAIL = 'A transaction that is still open has one of them in hand, and none goes ahead of an older one.',
              HINT = 'Nothing is lost: the node asks again. If an administrator has left a transaction open, end it (pg_stat_activity shows it).';
END
$$;
COMMENT ON FUNCTION holdfast.claim_dead_letters(uuid, int) IS
    'For nodes: dead letters to be replayed, of partitions that the caller owns, oldest first';
