-- settle_replays(session_key, dead_letter_ids, outcomes, details)
-- Purpose: says what became of claimed replays. What is no longer the caller's claim is passed over.
-- Parameters: arrays of one length. outcomes: delivered; refused and unbound keep the dead letter,
--             with that reason and the detail.
-- Returns: nothing; raises HF002, 22023.
-- Calls: session_of.   Tables: dead_letter (update), partition (read).
CREATE OR REPLACE FUNCTION holdfast.settle_replays(session_key uuid, dead_letter_ids bigint[],
                                                   outcomes text[], details text[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    me constant int := holdfast.session_of(session_key);
BEGIN
    IF cardinality(dead_letter_ids) IS DISTINCT FROM cardinality(outcomes)
       OR cardinality(dead_letter_ids) IS DISTINCT FROM cardinality(details)
       OR EXISTS (SELECT FROM unnest(outcomes) AS o (outcome)
                   WHERE o.outcome IS NULL
                      OR o.outcome NOT IN ('delivered', 'refused', 'unbound')) THEN
        RAISE EXCEPTION 'the arrays differ in length, or an outcome is unknown'
            USING ERRCODE = '22023',
                  DETAIL = format('There are %s ids, %s outcomes and %s details.',
                                  cardinality(dead_letter_ids), cardinality(outcomes),
                                  cardinality(details)),
                  HINT = 'An outcome is delivered, refused or unbound.';
    END IF;
    -- As with checkpoints: what a crash forgets is delivered again.
    PERFORM set_config('synchronous_commit', 'off', true);
    WITH settled AS (
        SELECT d.dead_letter_id, w.outcome, w.detail
          FROM unnest(dead_letter_ids, outcomes, details) AS w (dead_letter_id, outcome, detail)
          JOIN holdfast.dead_letter d ON d.dead_letter_id = w.dead_letter_id
          JOIN holdfast.partition p ON p.partition_id = d.partition_id
           AND p.owner_session_id = me AND p.token = d.claimed_token
         WHERE d.state = 'requested' AND d.claimed_by = me
         ORDER BY d.dead_letter_id
           FOR UPDATE OF d
    )
    UPDATE holdfast.dead_letter d
       SET state = CASE s.outcome WHEN 'delivered' THEN 'replayed' ELSE 'kept' END,
           settled_at = CASE s.outcome WHEN 'delivered' THEN clock_timestamp() END,
           reason = CASE s.outcome WHEN 'delivered' THEN d.reason ELSE s.outcome END,
           detail = CASE s.outcome WHEN 'delivered' THEN d.detail
                                   ELSE left(coalesce(s.detail, ''), 4096) END,
           attempts = d.attempts + 1,
           claimed_by = NULL, claimed_token = NULL
      FROM settled s
     WHERE d.dead_letter_id = s.dead_letter_id;
END
$$;
COMMENT ON FUNCTION holdfast.settle_replays(uuid, bigint[], text[], text[]) IS
    'For nodes: what became of claimed replays; refused and unbound ones are kept';
