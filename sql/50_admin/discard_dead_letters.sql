-- discard_dead_letters(ids, device, reason, since, until)
-- Purpose: gives dead letters up. What a node is replaying at the moment is passed over. They stay
--          visible until prune_history() removes them.
-- Parameters: each narrows the choice, null does not: ids of dead letters, device, reason, and when
--             they were kept: not before since, and before until. At least one must be given.
-- Returns: how many; raises 22023.
-- Calls: add_event.   Tables: dead_letter (update), partition (read).
CREATE OR REPLACE FUNCTION holdfast.discard_dead_letters(
    ids bigint[] DEFAULT NULL, device text DEFAULT NULL, reason text DEFAULT NULL,
    since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    changed bigint;
BEGIN
    IF num_nonnulls(ids, discard_dead_letters.device, discard_dead_letters.reason, since, until) = 0 THEN
        RAISE EXCEPTION 'nothing says which dead letters to discard'
            USING ERRCODE = '22023', DETAIL = 'All of them would be lost.',
                  HINT = 'If that is meant, say since => ''-infinity''.';
    END IF;
    UPDATE holdfast.dead_letter d
       SET state = 'discarded', settled_at = clock_timestamp(),
           claimed_by = NULL, claimed_token = NULL
     WHERE d.state IN ('kept', 'requested')
       AND NOT EXISTS (SELECT FROM holdfast.partition p
                        WHERE p.partition_id = d.partition_id
                          AND p.owner_session_id = d.claimed_by AND p.token = d.claimed_token)
       AND (ids IS NULL OR d.dead_letter_id = ANY (ids))
       AND (discard_dead_letters.device IS NULL OR d.device = discard_dead_letters.device)
       AND (discard_dead_letters.reason IS NULL OR d.reason = discard_dead_letters.reason)
       AND (since IS NULL OR d.created_at >= since)
       AND (until IS NULL OR d.created_at < until);
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed > 0 THEN
        PERFORM holdfast.add_event('dead letters', NULL, NULL,
                                   format('%s dead letters discarded', changed),
                                   'by ' || session_user);
    END IF;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION holdfast.discard_dead_letters(bigint[], text, text, timestamptz, timestamptz) IS
    'Gives dead letters up; returns how many';
