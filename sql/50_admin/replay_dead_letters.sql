-- replay_dead_letters(ids, device, reason, since, until)
-- Purpose: asks for the replay of kept dead letters; nodes deliver them in order, to the Things that
--          their devices are bound to then.
-- Parameters: each narrows the choice, null does not: ids of dead letters, device, reason, and when
--             they were kept: not before since, and before until.
-- Returns: how many.
-- Calls: add_event.   Tables: dead_letter (update).
CREATE OR REPLACE FUNCTION holdfast.replay_dead_letters(
    ids bigint[] DEFAULT NULL, device text DEFAULT NULL, reason text DEFAULT NULL,
    since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    changed bigint;
BEGIN
    UPDATE holdfast.dead_letter d
       SET state = 'requested', requested_at = clock_timestamp()
     WHERE d.state = 'kept'
       AND (ids IS NULL OR d.dead_letter_id = ANY (ids))
       AND (replay_dead_letters.device IS NULL OR d.device = replay_dead_letters.device)
       AND (replay_dead_letters.reason IS NULL OR d.reason = replay_dead_letters.reason)
       AND (since IS NULL OR d.created_at >= since)
       AND (until IS NULL OR d.created_at < until);
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed > 0 THEN
        PERFORM pg_notify('holdfast', 'replay');
        PERFORM holdfast.add_event('dead letters', NULL, NULL,
                                   format('replay of %s dead letters requested', changed),
                                   'by ' || session_user);
    END IF;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION holdfast.replay_dead_letters(bigint[], text, text, timestamptz, timestamptz) IS
    'Asks nodes to deliver kept dead letters again; returns how many';
