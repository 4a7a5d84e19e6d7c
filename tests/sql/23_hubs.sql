-- report_hub: registration, generations; the settings and wishes of administrators.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/members.sql
SELECT pg_temp.member(1), pg_temp.member(2), holdfast.lock_cluster(), holdfast.open_terms(1) \gset _
SELECT token AS leader FROM holdfast.leader \gset
CREATE FUNCTION pg_temp.report(endpoint text, created bigint, partitions text[], hub text DEFAULT 'demo') RETURNS int LANGUAGE sql AS $$
    SELECT holdfast.report_hub(pg_temp.key(1), (SELECT token FROM holdfast.leader), hub, endpoint, created, partitions) $$;

SELECT is(pg_temp.report('e', 1, ARRAY['0', '1', '2']), 3, 'three partitions');
SELECT is(pg_temp.shares(), 'n1:2 n2:1', 'assigned at once');
SELECT is((SELECT count(*) FROM holdfast.checkpoint WHERE event_offset IS NULL AND token IS NOT NULL), 3::bigint,
          'each has a checkpoint row without an offset');
SELECT is(pg_temp.report('e', 1, ARRAY['0', '1', '2']), 0, 'idempotent');
SELECT is(pg_temp.report('e', 1, ARRAY['0']), 0, 'a list that is shorter for once retires nothing');
SELECT is((SELECT count(*) FROM holdfast.partitions WHERE state = 'owned'), 3::bigint, 'nothing');
SELECT is(pg_temp.report('e', 1, ARRAY['0', '1', '2', '3', '3']), 1, 'a hub that grew');
SELECT is(pg_temp.shares(), 'n1:2 n2:2', 'balanced');
SELECT throws_ok($$SELECT pg_temp.report('e', 1, ARRAY['0'], 'nowhere')$$, '22023', 'Hub "nowhere" cannot be registered', 'unknown hub');
SELECT throws_ok($$SELECT pg_temp.report('e', 1, ARRAY[]::text[])$$, '22023', NULL, 'no partitions');
SELECT throws_ok($$SELECT pg_temp.report('', 1, ARRAY['0'])$$, '22023', NULL, 'no endpoint');
SELECT throws_ok(format($$SELECT holdfast.report_hub(pg_temp.key(2), %s, 'demo', 'e', 1, ARRAY['0'])$$, :leader), 'HF006', NULL,
                 'only the leader');

-- ---- a new generation
SELECT count(*) FROM (SELECT s.* FROM holdfast.partition p
    CROSS JOIN LATERAL holdfast.save_checkpoints(pg_temp.key(p.owner_session_id), ARRAY[p.partition_id], ARRAY[p.token],
                                                 ARRAY['500'], ARRAY[50::bigint], ARRAY[5::bigint]) s) x \gset _
CREATE TEMP TABLE before AS SELECT * FROM holdfast.partition;
SELECT is(pg_temp.report('e', 2, ARRAY['0', '1', '2']), 0, 'the hub was re-created');
SELECT is((SELECT generation FROM holdfast.hub_log WHERE hub = 'demo'), 2, 'a new generation');
SELECT is((SELECT count(*) FROM holdfast.checkpoint WHERE event_offset IS NULL AND generation = 2), 4::bigint, 'checkpoints begin anew');
SELECT is((SELECT count(*) FROM holdfast.checkpoint_history WHERE event_offset = '500' AND generation = 1), 4::bigint, 'the old ones are kept');
SELECT is((SELECT count(*) FROM holdfast.partitions WHERE state = 'retired' AND owner IS NULL), 1::bigint, 'what is gone is retired');
SELECT is_empty($$SELECT 1 FROM before b JOIN holdfast.partition p USING (partition_id) WHERE p.retired_at IS NULL
                    AND (p.owner_session_id <> b.owner_session_id OR p.token <= b.token)$$, 'owners stay, under fresh tokens');
SELECT set_eq($$SELECT s.outcome FROM before b
    CROSS JOIN LATERAL holdfast.save_checkpoints(pg_temp.key(b.owner_session_id), ARRAY[b.partition_id], ARRAY[b.token],
                                                 ARRAY['600'], ARRAY[60::bigint], ARRAY[6::bigint]) s$$,
              ARRAY['stale_token'], 'nothing of the old log is saved any more');
SELECT is((SELECT s.outcome FROM holdfast.partition p
    CROSS JOIN LATERAL holdfast.save_checkpoints(pg_temp.key(p.owner_session_id), ARRAY[p.partition_id], ARRAY[p.token],
                                                 ARRAY['1'], ARRAY[1::bigint], ARRAY[1::bigint]) s
            WHERE p.owner_session_id IS NOT NULL LIMIT 1), 'saved', 'sequence numbers begin anew');
SELECT is(pg_temp.report('f', 2, ARRAY['0', '1', '2', '3']), 1, 'another endpoint is another log; the retired one is back');
SELECT is((SELECT count(*) FROM holdfast.partitions WHERE state = 'owned' AND generation = 3), 4::bigint, 'all in the new generation');
SELECT is(pg_temp.errors(), 0::bigint, 'nothing is amiss');

-- ---- administrators
SELECT throws_ok($$SELECT holdfast.drain_node('nobody')$$, '22023', 'There is no node "nobody"', 'unknown node');
SELECT throws_ok($$SELECT holdfast.undrain_node(NULL)$$, '22023', NULL, 'null node');
SELECT throws_ok($$SELECT holdfast.set_capacity('n1', -1)$$, '22023', 'Capacity -1 is out of range', 'capacity');
SELECT throws_ok($$SELECT holdfast.move_partition('demo', '9', 'n1')$$, '22023', NULL, 'unknown partition');
SELECT throws_ok($$SELECT holdfast.move_partition('demo', '0', 'nobody')$$, '22023', NULL, 'to an unknown node');
SELECT pg_temp.member(3), holdfast.end_sessions(ARRAY[3], 'left') \gset _
SELECT throws_ok($$SELECT holdfast.move_partition('demo', '0', 'n3')$$, '22023', 'Node "n3" is not live', 'to one that is not live');
SELECT node AS taker FROM holdfast.nodes WHERE node IN ('n1', 'n2')
   AND node <> (SELECT owner FROM holdfast.partitions WHERE partition = '0' AND hub = 'demo') \gset
SELECT holdfast.move_partition('demo', '0', :'taker'), holdfast.plan_and_move() \gset _
SELECT is((SELECT next_owner FROM holdfast.partitions WHERE partition = '0' AND hub = 'demo'), :'taker', 'asked for');
SELECT pg_temp.release_all() \gset _
SELECT is((SELECT owner FROM holdfast.partitions WHERE partition = '0' AND hub = 'demo'), :'taker', 'done');
SELECT is(pg_temp.shares(), 'n1:2 n2:2', 'another one came back in exchange');
SELECT is_empty('SELECT * FROM holdfast.move_wish', 'wishes are carried out once');
SELECT throws_ok($$SELECT holdfast.set_setting('colour', '1')$$, '22023', 'There is no setting "colour"', 'unknown setting');
SELECT throws_ok($$SELECT holdfast.set_setting('ttl_ms', 'much')$$, '22023', NULL, 'not a number');
SELECT throws_ok($$SELECT holdfast.set_setting('ttl_ms', '1')$$, '22023', NULL, 'out of range');
SELECT throws_ok($$SELECT holdfast.set_setting('history_retention', '-1 day')$$, '22023', NULL, 'a span below nothing');
SELECT throws_ok($$SELECT holdfast.set_setting('history_retention', '10000 years')$$, '22023', NULL, 'before the calendar begins');
SELECT throws_ok($$SELECT holdfast.set_setting('history_retention', NULL)$$, '22023', NULL, 'null');
SELECT lives_ok($$SELECT holdfast.set_setting('history_retention', '6000 years'), holdfast.tend_dead_letters(), holdfast.prune_history()$$,
                'for ever, as good as');
SELECT value AS config FROM holdfast.version WHERE what = 'config' \gset
SELECT holdfast.set_setting('ttl_ms', '3000'), holdfast.set_setting('history_retention', '7 days') \gset _
SELECT is(holdfast.setting_ms('ttl_ms'), 3000, 'set');
SELECT is((SELECT value FROM holdfast.version WHERE what = 'config'), (:config + 2)::bigint, 'nodes are told');
SELECT holdfast.set_setting('ttl_ms', '3000') \gset _
SELECT is((SELECT value FROM holdfast.version WHERE what = 'config'), (:config + 2)::bigint, 'the same again tells nobody');
SELECT throws_ok($$SELECT holdfast.bump('colour')$$, '22023', NULL, 'no such version');

-- ---- an offset that does not exist
SELECT p.partition_id AS id, p.token AS token, p.owner_session_id AS owner, c.generation AS generation
  FROM holdfast.partition p JOIN holdfast.checkpoint c USING (partition_id)
 WHERE p.owner_session_id IS NOT NULL AND p.retired_at IS NULL ORDER BY 1 LIMIT 1 \gset
SELECT hub AS of_hub, partition AS of_partition FROM holdfast.partition WHERE partition_id = :id \gset
SELECT holdfast.save_checkpoints(pg_temp.key(:owner), ARRAY[:id], ARRAY[:token::bigint], ARRAY['777'], ARRAY[77::bigint], ARRAY[1::bigint]) \gset _
SELECT throws_ok(format('SELECT holdfast.abandon_offset(pg_temp.key(%s), %s, %s, %L)', :owner, :id, :token, 'gone'),
                 '22023', NULL, 'is not abandoned while the policy is stop');
UPDATE holdfast.hub SET on_invalid_offset = 'earliest' WHERE name = :'of_hub';
SELECT is(holdfast.abandon_offset(pg_temp.key(:owner), :id, :token - 1, 'gone'), false, 'nor by a stale grant');
SELECT is((SELECT event_offset FROM holdfast.checkpoint WHERE partition_id = :id), '777', 'which changes nothing');
SELECT is(holdfast.abandon_offset(pg_temp.key(:owner), :id, :token, 'gone'), true, 'the owner may');
SELECT results_eq(format('SELECT event_offset, sequence, generation, token FROM holdfast.checkpoint WHERE partition_id = %s', :id),
                  format('VALUES (NULL::text, NULL::bigint, %s, %s)', :generation + 1, :token),
                  'a new generation begins, under the same token');
SELECT results_eq(format('SELECT event_offset, sequence FROM holdfast.checkpoint_history WHERE partition_id = %s AND generation = %s', :id, :generation),
                  $$VALUES ('777', 77::bigint)$$, 'the old checkpoint is kept');
SELECT is((SELECT outcome FROM holdfast.save_checkpoints(pg_temp.key(:owner), ARRAY[:id], ARRAY[:token::bigint], ARRAY['5'], ARRAY[0::bigint], ARRAY[1::bigint])),
          'saved', 'and a lower sequence number is no step back');
SELECT is(holdfast.abandon_offset(pg_temp.key(:owner), :id, :token, 'gone'), true, 'again, later');
SELECT is(holdfast.abandon_offset(pg_temp.key(:owner), :id, :token, 'gone'), false, 'nothing is left to abandon');
SELECT is((SELECT count(*) FROM holdfast.events WHERE kind = 'checkpoint' AND message ~ 'earliest'), 2::bigint, 'and it is said');

-- ---- an administrator decides
SELECT throws_ok($$SELECT holdfast.reset_checkpoint('demo', '99')$$, '22023', NULL, 'no such partition');
SELECT throws_ok(format('SELECT holdfast.reset_checkpoint(%L, %L, %L)', :'of_hub', :'of_partition', '5'), '22023',
                 'An offset and its sequence number belong together', 'an offset alone');
SELECT holdfast.reset_checkpoint(:'of_hub', :'of_partition', '300', 3, allow_skip => true) \gset _
SELECT results_eq(format('SELECT event_offset, sequence FROM holdfast.checkpoint WHERE partition_id = %s', :id),
                  $$VALUES ('300', 3::bigint)$$, 'the checkpoint is where they say');
SELECT cmp_ok((SELECT token FROM holdfast.partition WHERE partition_id = :id), '>', :token::bigint, 'the owner gets a fresh token');
SELECT is((SELECT outcome FROM holdfast.save_checkpoints(pg_temp.key(:owner), ARRAY[:id], ARRAY[:token::bigint], ARRAY['900'], ARRAY[90::bigint], ARRAY[1::bigint])),
          'stale_token', 'so that what it still delivers from before is not saved');
SELECT holdfast.reset_checkpoint(:'of_hub', :'of_partition') \gset _
SELECT is((SELECT event_offset FROM holdfast.checkpoint WHERE partition_id = :id), NULL, 'or begins anew');
SELECT is((SELECT event_offset FROM holdfast.checkpoint_history WHERE partition_id = :id ORDER BY generation DESC LIMIT 1), '300',
          'and the old one is kept');

-- ---- a hub that a node does not reach
SELECT p.partition_id AS id, p.token AS token, p.owner_session_id AS owner FROM holdfast.partition p
 WHERE p.hub = :'of_hub' AND p.owner_session_id IS NOT NULL AND p.retired_at IS NULL ORDER BY 1 LIMIT 1 \gset
SELECT holdfast.report(pg_temp.key(:owner), jsonb_build_object('hubs', jsonb_build_object(:'of_hub', 'no route')), '{}', '{}', '{}') \gset _
SELECT is(holdfast.decline(pg_temp.key(:owner), :id, :token, 'no route'), false, 'nobody else reaches it: it stays');
SELECT pg_temp.member(91), holdfast.report(pg_temp.key(91), jsonb_build_object('hubs', jsonb_build_object(:'of_hub', 'up')), '{}', '{}', '{}') \gset _
SELECT is(holdfast.decline(pg_temp.key(:owner), :id, :token, 'no route'), true, 'another node reaches it: it moves');
SELECT is((SELECT owner_session_id FROM holdfast.partition WHERE partition_id = :id), 91, 'to that one');

SELECT * FROM finish();
ROLLBACK;
