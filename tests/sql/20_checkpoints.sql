-- Checkpoints: fenced by token and key, monotone, in batches, HOT.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/members.sql
SELECT pg_temp.member(1), pg_temp.member(2), pg_temp.partitions('demo', 4) \gset _
SELECT holdfast.place_free() \gset _
CREATE TEMP VIEW mine AS SELECT p.* FROM holdfast.partition p WHERE p.owner_session_id = 1;
SELECT min(partition_id) AS p0, max(partition_id) AS p1 FROM mine \gset
SELECT token AS t0 FROM mine WHERE partition_id = :p0 \gset
SELECT token AS t1 FROM mine WHERE partition_id = :p1 \gset
SELECT partition_id AS p2, token AS t2 FROM holdfast.partition WHERE owner_session_id = 2 LIMIT 1 \gset

CREATE FUNCTION pg_temp.save(session int, ids int[], tokens bigint[], sequences bigint[]) RETURNS text
LANGUAGE sql AS $$
    SELECT string_agg(s.outcome, ' ' ORDER BY array_position($2, s.partition_id))
      FROM holdfast.save_checkpoints(pg_temp.key($1), $2, $3, $4::text[], $4, $4) s $$;
CREATE FUNCTION pg_temp.at(id int) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws('|', event_offset, sequence, enqueued_ms) FROM holdfast.checkpoint WHERE partition_id = id $$;

SELECT is(pg_temp.save(1, ARRAY[:p0, :p1], ARRAY[:t0, :t1], ARRAY[10, 20]), 'saved saved', 'a batch is saved');
SELECT is(pg_temp.at(:p0), '10|10|10', 'as given');
SELECT is(pg_temp.save(1, ARRAY[:p1, :p0], ARRAY[:t1, :t0], ARRAY[21, 11]), 'saved saved', 'in any order');
SELECT is(pg_temp.save(1, ARRAY[:p0], ARRAY[:t0], ARRAY[11]), 'saved', 'the same once more is no error');
SELECT is(pg_temp.save(1, ARRAY[:p0], ARRAY[:t0], ARRAY[9]), 'not_monotone', 'never back');
SELECT is(pg_temp.at(:p0), '11|11|11', 'and nothing is changed');
SELECT is(pg_temp.save(1, ARRAY[:p0], ARRAY[:t0 - 1], ARRAY[12]), 'stale_token', 'an older token');
SELECT is(pg_temp.save(1, ARRAY[:p0], ARRAY[:t0 + 1000], ARRAY[12]), 'stale_token', 'a token that was never given');
SELECT is(pg_temp.save(1, ARRAY[0], ARRAY[:t0], ARRAY[12]), 'stale_token', 'a partition that is not there');
SELECT is(pg_temp.save(1, ARRAY[:p0, :p2, :p1], ARRAY[:t0, :t0, :t1], ARRAY[12, 12, 1]),
          'saved stale_token not_monotone', 'each of a batch on its own');
SELECT is(pg_temp.save(1, ARRAY[]::int[], ARRAY[]::bigint[], ARRAY[]::bigint[]), NULL, 'an empty batch');

SELECT throws_ok(format('SELECT pg_temp.save(3, ARRAY[%s], ARRAY[%s], ARRAY[13])', :p0, :t0), 'HF002', NULL,
                 'an unknown key');
SELECT throws_ok(format('SELECT pg_temp.save(1, ARRAY[%s, %1$s], ARRAY[%s, %2$s], ARRAY[13, 14])', :p0, :t0),
                 '22023', NULL, 'a partition twice');
SELECT throws_ok(format('SELECT pg_temp.save(1, ARRAY[%s], ARRAY[%s, 1], ARRAY[13])', :p0, :t0), '22023', NULL,
                 'arrays of different length');
SELECT throws_ok(format('SELECT pg_temp.save(1, ARRAY[%s], ARRAY[%s], ARRAY[NULL]::bigint[])', :p0, :t0), '22023',
                 NULL, 'a null');
SELECT is(current_setting('synchronous_commit'), 'off', 'checkpoints commit asynchronously');

-- ---- a take-over in between
SELECT is(holdfast.grant_partitions(ARRAY[:p0], ARRAY[2], 'forced'), 1, 'taken over');
SELECT is(current_setting('synchronous_commit'), 'off', 'by a function that leaves this to lock_cluster()');
SELECT holdfast.lock_cluster() \gset _
SELECT is(current_setting('synchronous_commit'), 'on', 'which makes the commit synchronous');
SELECT is(pg_temp.save(1, ARRAY[:p0], ARRAY[:t0], ARRAY[99]), 'stale_token', 'the old owner''s token is stale');
SELECT is((SELECT start_offset FROM holdfast.assignment(pg_temp.key(2)) WHERE partition_id = :p0), '12',
          'the new owner goes on from the checkpoint');
SELECT ok((SELECT token > :t0 FROM holdfast.checkpoint WHERE partition_id = :p0), 'tokens only grow');
SELECT is((SELECT c.token FROM holdfast.checkpoint c WHERE c.partition_id = :p0),
          (SELECT p.token FROM holdfast.partition p WHERE p.partition_id = :p0), 'one token in both rows');

-- ---- ended sessions
SELECT holdfast.end_sessions(ARRAY[1], 'died') \gset _
SELECT throws_ok(format('SELECT pg_temp.save(1, ARRAY[%s], ARRAY[%s], ARRAY[99])', :p1, :t1), 'HF002', NULL,
                 'the key of an ended session');
SELECT holdfast.place_free() \gset _
SELECT is(pg_temp.save(2, ARRAY[:p1], ARRAY[:t1], ARRAY[99]), 'stale_token', 'nor does its token help another');
SELECT is(pg_temp.errors(), 0::bigint, 'nothing is amiss');

-- ---- the row
SELECT is((SELECT count(*) FROM pg_index WHERE indrelid = 'holdfast.checkpoint'::regclass), 1::bigint,
          'one index, on what never changes');
SELECT ok((SELECT reloptions @> ARRAY['fillfactor=40', 'autovacuum_vacuum_scale_factor=0'] FROM pg_class
            WHERE oid = 'holdfast.checkpoint'::regclass), 'room on every page, vacuum by count');
SELECT hasnt_trigger('holdfast', 'checkpoint', 'any', 'no trigger of ours');
SELECT ok((SELECT proconfig @> ARRAY['enable_hashjoin=off', 'enable_seqscan=off', 'jit=off'] FROM pg_proc
            WHERE oid = 'holdfast.save_checkpoints'::regproc), 'rows are locked in key order');

-- ---- report
SELECT lives_ok(format($$SELECT holdfast.report(pg_temp.key(2), '{"events_per_second": 7, "rss_kib": 10}',
                          ARRAY[%s, 0], ARRAY[30, 1], ARRAY[30000, 1])$$, :p0), 'a report');
SELECT is((SELECT lag_events FROM holdfast.partitions WHERE partition_id = :p0), 18::bigint, 'gives the lag in events');
SELECT is((SELECT lag_seconds FROM holdfast.partitions WHERE partition_id = :p0), 29.988, 'and in seconds');
SELECT is((SELECT count(*) FROM holdfast.partition_head), 1::bigint, 'of the caller''s own partitions only');
SELECT is((SELECT events_per_second FROM holdfast.nodes WHERE node = 'n2'), 7::numeric, 'and what the node says');
SELECT throws_ok($$SELECT holdfast.report(pg_temp.key(2), '[]', ARRAY[]::int[], ARRAY[]::bigint[], ARRAY[]::bigint[])$$,
                 '22023', NULL, 'stats are an object');
SELECT throws_ok($$SELECT holdfast.report(pg_temp.key(2), '{}', ARRAY[1], ARRAY[]::bigint[], ARRAY[]::bigint[])$$,
                 '22023', NULL, 'arrays of one length');

SELECT * FROM finish();
ROLLBACK;
