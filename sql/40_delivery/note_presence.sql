-- note_presence(session_key, partition_ids, tokens, things, devices, modules, present)
-- Purpose: notes which Things are heard of, and which are not any more, for heartbeat rules. Nodes call
--          it before the checkpoint that passes the first event of such a Thing. Commits
--          asynchronously: a crash that forgets a row forgets that checkpoint too.
-- Parameters: arrays of one length, a Thing of a partition at most once; tokens: of the grants; present:
--             true notes the Thing, false forgets it. Rows of another session's partition are passed over.
-- Returns: nothing; raises HF002, 22023.
-- Calls: session_of.   Tables: partition (lock), presence (insert, delete).
CREATE OR REPLACE FUNCTION holdfast.note_presence(
    session_key uuid, partition_ids int[], tokens bigint[], things text[], devices text[],
    modules text[], present boolean[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    me constant int := holdfast.session_of(session_key);
BEGIN
    IF (cardinality(partition_ids) = ALL (ARRAY[cardinality(tokens), cardinality(things),
                                                cardinality(devices), cardinality(modules),
                                                cardinality(present)])) IS NOT TRUE THEN
        RAISE EXCEPTION 'the arrays differ in length'
            USING ERRCODE = '22023', DETAIL = format('There are %s partition ids.', cardinality(partition_ids)),
                  HINT = 'Give every array one element per Thing.';
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true);
    -- The fence: a take-over waits until we commit, or we see that it has happened.
    PERFORM FROM holdfast.partition p
      WHERE p.partition_id = ANY (partition_ids)
      ORDER BY p.partition_id
        FOR SHARE;
    DELETE FROM holdfast.presence x
     USING unnest(partition_ids, tokens, things, present) AS w (partition_id, token, thing, present)
      JOIN holdfast.partition p ON p.partition_id = w.partition_id AND p.token = w.token
       AND p.owner_session_id = me
     WHERE NOT w.present AND x.partition_id = w.partition_id AND x.thing = w.thing;
    INSERT INTO holdfast.presence (partition_id, thing, device, module)
    SELECT w.partition_id, w.thing, coalesce(w.device, ''), coalesce(w.module, '')
      FROM unnest(partition_ids, tokens, things, devices, modules, present)
           AS w (partition_id, token, thing, device, module, present)
      JOIN holdfast.partition p ON p.partition_id = w.partition_id AND p.token = w.token
       AND p.owner_session_id = me
     WHERE w.present
    ON CONFLICT (partition_id, thing) DO NOTHING;
END
$$;
COMMENT ON FUNCTION holdfast.note_presence(uuid, int[], bigint[], text[], text[], text[], boolean[]) IS
    'For nodes: notes which Things are heard of, and which are not any more; fenced by token';
