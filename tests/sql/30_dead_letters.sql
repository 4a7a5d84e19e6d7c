-- Dead letters: fenced, idempotent, replayed in order, never lost.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/demo.sql

-- One dead letter of a value.
CREATE FUNCTION pg_temp.keep(key uuid, partition_id int, token bigint, sequence bigint,
                             property text DEFAULT '', reason text DEFAULT 'refused')
RETURNS bigint LANGUAGE sql AS $$
    SELECT holdfast.add_dead_letters($1, ARRAY[$2], ARRAY[$3], ARRAY['d' || $4 % 2], ARRAY[''],
        ARRAY['o' || $4], ARRAY[$4], ARRAY[1700000000000 + $4], ARRAY[$6], ARRAY['why'], ARRAY[$5],
        ARRAY[convert_to('{"v":' || $4 || '}', 'UTF8')], ARRAY[3]) $$;

SELECT throws_ok(format('SELECT pg_temp.keep(%L, %s, 1001, 1)', '00000000-0000-0000-0000-000000000999', :p0),
                 'HF002', NULL, 'an unknown key keeps nothing');
SELECT is(pg_temp.keep(:key1, :p0, 1001, 5), 1::bigint, 'an event is kept');
SELECT is(pg_temp.keep(:key1, :p0, 1001, 5), 1::bigint, 'once more: it is there');
SELECT is((SELECT count(*) FROM holdfast.dead_letters), 1::bigint, 'but once');
SELECT is(pg_temp.keep(:key1, :p0, 1001, 5, 'temperature'), 1::bigint, 'a value of it is another one');
SELECT is(pg_temp.keep(:key1, :p0, 1000, 6), 0::bigint, 'a stale token keeps nothing');
SELECT is(pg_temp.keep(:key1, :p1, 1002, 6), 0::bigint, 'nor does the token of another''s partition');
SELECT is(pg_temp.keep(:key1, 0, 1001, 6), 0::bigint, 'nor a partition that is not there');
SELECT throws_ok(format('SELECT pg_temp.keep(%L, %s, 1001, 7, '''', ''ugly'')', :key1, :p0), '23514', NULL,
                 'a reason that nobody knows');
SELECT throws_ok(format('SELECT holdfast.add_dead_letters(%L, ARRAY[%s], ARRAY[1001], ARRAY[]::text[],
                         ARRAY[''''], ARRAY[''''], ARRAY[1], ARRAY[1], ARRAY[''refused''], ARRAY[''''],
                         ARRAY[''''], ARRAY[''''::bytea], ARRAY[1])', :key1, :p0), '22023',
                 'the arrays differ in length', 'arrays of different length');
SELECT is(holdfast.add_dead_letters(:key1, ARRAY[:p0, :p1, :p0], ARRAY[1001, 1002, 1001], ARRAY['d1', 'd1', NULL],
              ARRAY['', '', NULL], ARRAY['a', 'b', 'c'], ARRAY[7, 8, 9], ARRAY[1, 2, 3],
              ARRAY['unbound', 'unbound', 'unparsable'], ARRAY['x', 'x', NULL], ARRAY['', '', NULL],
              ARRAY['\xff'::bytea, '\xff', '\xff'], ARRAY[0, 0, 0]), 2::bigint,
          'of a mixed batch, what is the caller''s');
SELECT results_eq($$SELECT concat_ws('|', sequence, fleet, hub, partition, device, property, reason,
                                     payload_text, node, state) COLLATE "default"
                      FROM holdfast.dead_letters ORDER BY sequence, property$$,
                  $$VALUES ('5|demo|demo|0|d1||refused|{"v":5}|one|kept'),
                           ('5|demo|demo|0|d1|temperature|refused|{"v":5}|one|kept'),
                           ('7|demo|demo|0|d1||unbound|\377|one|kept'),
                           ('9|demo|demo|0|||unparsable|\377|one|kept')$$, 'as the view shows them');
UPDATE holdfast.partition SET generation = 2 WHERE partition_id = :p0;
SELECT is(pg_temp.keep(:key1, :p0, 1001, 5), 1::bigint, 'the same sequence in another generation');
SELECT is((SELECT count(*) FROM holdfast.dead_letters WHERE sequence = 5 AND property = ''), 2::bigint,
          'is another event');

-- ---- what came with an event
SELECT is(holdfast.keep_dead_letters(:key1, ARRAY[:p0, :p0], ARRAY[1001, 1001], ARRAY['d7', 'd7'], ARRAY['', ''],
              ARRAY['x', 'y'], ARRAY[70, 71], ARRAY[1, 2], ARRAY['unbound', 'unbound'], ARRAY['', ''], ARRAY['', ''],
              ARRAY['a'::bytea, 'b'], ARRAY[0, 0], ARRAY['{"creation_ms": 1, "properties": {"a": "b"}}', NULL]::jsonb[]),
          2::bigint, 'events with their context');
SELECT results_eq($$SELECT context FROM holdfast.dead_letters WHERE device = 'd7' ORDER BY sequence$$,
                  $$VALUES ('{"creation_ms": 1, "properties": {"a": "b"}}'::jsonb), ('{}')$$, 'are shown with it');
SELECT is((SELECT count(*) FROM holdfast.dead_letters WHERE context = '{}' AND device <> 'd7'), 5::bigint,
          'those of nodes that know of none have an empty one');
SELECT throws_ok(format('SELECT holdfast.keep_dead_letters(%L, ARRAY[%s], ARRAY[1001], ARRAY[''d7''], ARRAY[''''],
              ARRAY[''x''], ARRAY[72], ARRAY[1], ARRAY[''unbound''], ARRAY[''''], ARRAY[''''], ARRAY[''a''::bytea],
              ARRAY[0], ARRAY[%s]::jsonb[])', :key1, :p0, contexts), code, NULL, 'refused: ' || contexts)
  FROM (VALUES ('$$[]$$', '23514'), ('$${}$$, $${}$$', '22023'), ('', '22023')) AS x (contexts, code);
SELECT is(holdfast.replay_dead_letters(device => 'd7'), 2::bigint, 'asked for');
CREATE TEMP TABLE seven AS SELECT * FROM holdfast.claim_dead_letters(:key1, 10);
SELECT results_eq('SELECT device, payload, context FROM seven ORDER BY enqueued_ms',
                  $$VALUES ('d7', 'a'::bytea, '{"creation_ms": 1, "properties": {"a": "b"}}'::jsonb), ('d7', 'b', '{}')$$,
                  'they are handed out with it');
SELECT lives_ok(format('SELECT holdfast.settle_replays(%L, ARRAY(SELECT dead_letter_id FROM seven),
                 ARRAY[''refused'', ''refused''], ARRAY['''', ''''])', :key1), 'and settled');
DELETE FROM holdfast.dead_letter WHERE device = 'd7';

-- ---- replay
SELECT is_empty(format('SELECT * FROM holdfast.claim_replays(%L, 10)', :key1), 'nothing was asked for');
SELECT throws_ok(format('SELECT * FROM holdfast.claim_replays(%L, 0)', :key1), '22023', NULL, 'no rows');
SELECT is(holdfast.replay_dead_letters(reason => 'unbound'), 1::bigint, 'by reason');
SELECT is(holdfast.replay_dead_letters(device => 'd1'), 3::bigint, 'by device, what is not asked for yet');
SELECT is(holdfast.replay_dead_letters(ids => ARRAY[-1]::bigint[]), 0::bigint, 'by id: none');
SELECT is(holdfast.replay_dead_letters(since => 'infinity'), 0::bigint, 'by time: none');
SELECT is_empty(format('SELECT * FROM holdfast.claim_replays(%L, 10)', :key2),
                'another node gets nothing of it');
CREATE TEMP TABLE claimed AS
    SELECT row_number() OVER () AS place, c.* FROM holdfast.claim_replays(:key1, 3) AS c;
SELECT results_eq('SELECT device, property, fleet, hub, payload, enqueued_ms FROM claimed ORDER BY place',
                  $$VALUES ('d1', '', 'demo', 'demo', '{"v":5}'::bytea, 1700000000005::bigint),
                           ('d1', 'temperature', 'demo', 'demo', '{"v":5}', 1700000000005),
                           ('d1', '', 'demo', 'demo', '\xff', 1)$$,
                  'the owner gets them in order: generation, then sequence');
SELECT is((SELECT count(*) FROM holdfast.claim_replays(:key1, 10)), 1::bigint, 'then the rest');
SELECT is((SELECT count(*) FROM holdfast.claim_replays(:key1, 10)), 0::bigint, 'each once');
SELECT is(holdfast.discard_dead_letters(device => 'd1'), 0::bigint, 'what is being replayed is not discarded');
SELECT throws_ok(format('SELECT holdfast.settle_replays(%L, ARRAY[1], ARRAY[''eaten''], ARRAY[''''])', :key1),
                 '22023', NULL, 'an outcome that nobody knows');
SELECT lives_ok(format('SELECT holdfast.settle_replays(%L, ARRAY(SELECT dead_letter_id FROM claimed),
                 ARRAY[''delivered'', ''delivered'', ''delivered''], ARRAY['''', '''', ''''])', :key2),
                'another session settles');
SELECT is((SELECT count(*) FROM holdfast.dead_letters WHERE state = 'replayed'), 0::bigint, 'nothing');
SELECT lives_ok(format('SELECT holdfast.settle_replays(%L, ARRAY(SELECT dead_letter_id FROM claimed ORDER BY place),
                 ARRAY[''delivered'', ''refused'', ''unbound''], ARRAY['''', ''still'', NULL])', :key1),
                'the claimer settles');
SELECT results_eq($$SELECT d.state, d.reason, d.detail, d.attempts, d.settled_at IS NOT NULL, d.claimed
                      FROM holdfast.dead_letters d JOIN claimed c USING (dead_letter_id) ORDER BY c.place$$,
                  $$VALUES ('replayed', 'refused', 'why', 4, true, false), ('kept', 'refused', 'still', 4, false, false),
                           ('kept', 'unbound', '', 1, false, false)$$, 'each by its outcome');

-- ---- claims end with the grant, and with the session
SELECT dead_letter_id AS open FROM holdfast.dead_letters WHERE claimed \gset
UPDATE holdfast.partition SET token = 1003 WHERE partition_id = :p0;
SELECT lives_ok(format('SELECT holdfast.settle_replays(%L, ARRAY[%s], ARRAY[''delivered''], ARRAY[''''])', :key1, :open),
                'a claim of an earlier grant settles');
SELECT is((SELECT state FROM holdfast.dead_letters WHERE dead_letter_id = :open), 'requested', 'nothing');
SELECT ok((SELECT replays FROM holdfast.poll(:key1)), 'its session is told that there is something to claim');
SELECT is((SELECT array_agg(dead_letter_id) FROM holdfast.claim_replays(:key1, 10)), ARRAY[:open]::bigint[],
          'and is handed out anew under the new token');
SELECT ok(NOT (SELECT replays FROM holdfast.poll(:key1)), 'once');
UPDATE holdfast.partition SET owner_session_id = 902 WHERE partition_id = :p0;
SELECT is_empty(format('SELECT * FROM holdfast.claim_replays(%L, 10)', :key1), 'the former owner gets nothing');
SELECT lives_ok(format('SELECT holdfast.settle_replays(%L, ARRAY[%s], ARRAY[''delivered''], ARRAY[NULL])', :key2, :open),
                'the next session settles before it has claimed');
SELECT is((SELECT state FROM holdfast.dead_letters WHERE dead_letter_id = :open), 'requested', 'nothing');
SELECT is((SELECT array_agg(dead_letter_id) FROM holdfast.claim_replays(:key2, 10)), ARRAY[:open]::bigint[],
          'the next session claims what the last one had, even under the same token');
SELECT lives_ok(format('SELECT holdfast.settle_replays(%L, ARRAY[%s], ARRAY[''delivered''], ARRAY[NULL])', :key2, :open),
                'and settles it');
SELECT is((SELECT state FROM holdfast.dead_letters WHERE dead_letter_id = :open), 'replayed', 'for good');

-- ---- discard, hubs, history
SELECT throws_ok('SELECT holdfast.discard_dead_letters()', '22023',
                 'nothing says which dead letters to discard', 'not all by accident');
SELECT lives_ok($$UPDATE holdfast.partition SET owner_session_id = NULL, state = 'free';
                  SELECT holdfast.set_hub('demo', 'demo', 'demo-hub', 'holdfast', enabled => false)$$, 'hub off');
SELECT throws_ok('SELECT holdfast.drop_hub(''demo'')', '55006', 'hub ''demo'' has dead letters',
                 'a hub with kept dead letters stays');
SELECT is(holdfast.discard_dead_letters(device => 'd1', reason => 'refused'), 1::bigint, 'one is discarded');
SELECT is((SELECT count(*) FROM holdfast.dead_letters WHERE state = 'kept'), 2::bigint, 'the others are kept');
UPDATE holdfast.dead_letter SET settled_at = settled_at - interval '91 days' WHERE settled_at IS NOT NULL;
UPDATE holdfast.dead_letter SET created_at = created_at - interval '1 year';
INSERT INTO holdfast.event_log (at, kind, message) VALUES (now() - interval '91 days', 'old', 'x'),
                                                          (now() - interval '89 days', 'young', 'x');
SELECT is(holdfast.prune_history(), 4::bigint, 'pruning deletes what is settled and old');
SELECT is((SELECT array_agg(DISTINCT state) FROM holdfast.dead_letters), ARRAY['kept'],
          'and never what is kept, however old');
SELECT is((SELECT array_agg(kind) FROM holdfast.events WHERE kind IN ('old', 'young')), ARRAY['young'],
          'events too');
SELECT is(holdfast.discard_dead_letters(since => '-infinity'), 2::bigint, 'all, if that is said');
SELECT lives_ok('SELECT holdfast.drop_hub(''demo'')', 'then the hub goes');

-- ---- events of nodes
SELECT lives_ok(format('SELECT holdfast.report_event(%L, ''destination'', ''thingworx'', ''paused'', ''401'', ''renew the key'')', :key1),
                'a node reports');
SELECT results_eq($$SELECT node, subject, message, detail, hint FROM holdfast.events WHERE kind = 'destination'$$,
                  $$VALUES ('one', 'thingworx', 'paused', '401', 'renew the key')$$, 'under its own name');
SELECT throws_ok(format('SELECT holdfast.report_event(%L, '''', NULL, ''m'', NULL, NULL)', :key1), '22023', NULL,
                 'an event of no kind');
SELECT throws_ok($$SELECT holdfast.report_event('00000000-0000-0000-0000-000000000999', 'k', 's', 'm', '', '')$$,
                 'HF002', NULL, 'an unknown key reports nothing');

SELECT * FROM finish();
ROLLBACK;
