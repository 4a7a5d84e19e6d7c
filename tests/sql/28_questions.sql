-- The questions at night: each answer, with what it answers to.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/members.sql
GRANT holdfast_reader TO CURRENT_USER;
SELECT pg_temp.member(1), pg_temp.member(2), pg_temp.partitions('demo', 4) \gset _
SELECT holdfast.lock_cluster(), holdfast.open_terms(1), holdfast.place_free() \gset _
CREATE TEMP VIEW found AS SELECT * FROM holdfast.diagnose();
CREATE FUNCTION pg_temp.says(pattern text) RETURNS bigint LANGUAGE sql AS
    $$ SELECT count(*) FROM holdfast.diagnose() d WHERE d.subject || ': ' || d.error ~ pattern $$;

-- ---- who leads, and who led?
SELECT is((SELECT node FROM holdfast.leader WHERE for_how_long >= interval '0' AND since <= clock_timestamp()), 'n1', 'who leads, and since when');
UPDATE holdfast.term SET during = tstzrange(now() - interval '3 hours', NULL);
SELECT holdfast.end_sessions(ARRAY[1], 'died') \gset _
UPDATE holdfast.term SET during = tstzrange(now() - interval '3 hours', now() - interval '2 hours');
UPDATE holdfast.lease SET free_since = now() - interval '2 hours';
SELECT holdfast.open_terms(NULL), holdfast.place_free() \gset _
SELECT is((SELECT concat_ws('|', node, end_reason) FROM holdfast.leader_at(now() - interval '150 minutes')), 'n1|died', 'who led then');
SELECT is((SELECT node FROM holdfast.leader_at(clock_timestamp())), 'n2', 'who leads now');
SELECT is((SELECT concat_ws('|', node, since = now() - interval '2 hours', until IS NOT NULL) FROM holdfast.leader_at(now() - interval '1 hour')), 't|t',
          'nobody led then: between which terms');
SELECT is((SELECT count(*) FROM holdfast.leader_at('2001-01-01')), 1::bigint, 'before everything: one row, empty');

-- ---- who owned a partition, and why did it move?
SELECT is((SELECT node || ': ' || why FROM holdfast.owner_at('demo', '0', clock_timestamp())), 'n2: its owner, n1, died', 'who owns it, and why');
UPDATE holdfast.ownership SET during = tstzrange(now() - interval '3 hours', now() - interval '2 hours') WHERE NOT upper_inf(during);
UPDATE holdfast.ownership SET during = tstzrange(now() - interval '1 hour', NULL) WHERE upper_inf(during) AND how <> 'first';
SELECT is((SELECT concat_ws('|', node, why, end_reason) FROM holdfast.owner_at('demo', '0', now() - interval '150 minutes')),
          'n1|nobody had owned it before|died', 'who owned it then');
SELECT is((SELECT concat_ws('|', node, why) FROM holdfast.owner_at('demo', '0', now() - interval '90 minutes')),
          'nobody owned it: its last owner, n1, ended with died', 'when nobody did, why not');
SELECT is((SELECT why FROM holdfast.owner_at('demo', '0', '2001-01-01')), 'nobody owned it yet, or its history has been pruned', 'before everything');
SELECT throws_ok($$SELECT * FROM holdfast.owner_at('demo', '99', now())$$, '22023', NULL, 'no such partition');
SELECT pg_temp.member(3), holdfast.plan_and_move(), pg_temp.release_all() \gset _
SELECT is((SELECT string_agg(DISTINCT why, '|') FROM holdfast.partition_history WHERE node = 'n3'), 'moved from n2: its node has more than its share',
          'a planned move says from whom, and what for');

-- ---- which partitions lag, and since when?
SELECT count(*) FROM holdfast.partition p, holdfast.save_checkpoints(pg_temp.key(p.owner_session_id), ARRAY[p.partition_id], ARRAY[p.token], ARRAY['100'], ARRAY[10::bigint],
         ARRAY[1000000::bigint]) \gset _
CREATE FUNCTION pg_temp.head(sequence bigint, enqueued_ms bigint) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(holdfast.report(pg_temp.key(p.owner_session_id), '{}', ARRAY[p.partition_id], ARRAY[$1], ARRAY[$2]))
      FROM holdfast.partition p WHERE p.partition = '0' $$;
SELECT pg_temp.head(20, 1029999) \gset _
SELECT is_empty('SELECT * FROM holdfast.partitions_lagging', 'behind by less than lag_alarm_ms: that is no lag');
SELECT pg_temp.head(30, 1030000) \gset _
SELECT results_eq('SELECT partition COLLATE "default", lag_events, lag_seconds, progress FROM holdfast.partitions_lagging', $$VALUES ('0', 20::bigint, 30.000, true)$$,
                  'which lags, and by how much');
UPDATE holdfast.partition_head SET behind_since = now() - interval '1 hour';
SELECT pg_temp.head(40, 1040000) \gset _
SELECT is((SELECT since FROM holdfast.partitions_lagging), now() - interval '1 hour', 'since when stays');
SELECT is(pg_temp.says('^partition demo/0: It lags behind its hub$'), 1::bigint, 'diagnose() says so');
UPDATE holdfast.checkpoint SET saved_at = now() - interval '5 minutes';
SELECT is(pg_temp.says('^partition demo/0: It lags behind its hub and makes no progress$'), 1::bigint, 'and whether it makes progress');
SELECT count(*) FROM holdfast.partition p, holdfast.save_checkpoints(pg_temp.key(p.owner_session_id), ARRAY[p.partition_id], ARRAY[p.token], ARRAY['400'], ARRAY[40::bigint],
         ARRAY[1040000::bigint]) \gset _
SELECT pg_temp.head(40, 1040000) \gset _
SELECT is_empty('SELECT * FROM holdfast.partitions_lagging', 'caught up: no lag any more');
SELECT is((SELECT behind_since FROM holdfast.partition_head WHERE partition_id = (SELECT min(partition_id) FROM holdfast.partition)), NULL, 'and the time is forgotten');

-- ---- what happened?
SELECT is((SELECT count(*) FROM holdfast.what_happened() WHERE what = 'Partitions without an owner were given to nodes at once. 2 to n1, 2 to n2.'), 1::bigint,
          'who got what has no owner');
INSERT INTO holdfast.event_log (at, kind, node, subject, message, detail) VALUES
    (now() - interval '2 hours', 'test', 'n9', NULL, 'Long ago', NULL),
    (now() - interval '50 minutes', 'test', 'n9', 'hub demo', 'It stumbled', 'Over a stone.'),
    (now() - interval '40 minutes', 'test', NULL, NULL, 'Nobody in particular did it.', '');
SELECT results_eq($$SELECT what FROM holdfast.what_happened() WHERE at < now() - interval '30 minutes'$$,
                  $$VALUES ('n9, hub demo: It stumbled. Over a stone.'), ('Nobody in particular did it.')$$, 'the last hour, in sentences');
SELECT is((SELECT count(*) FROM holdfast.what_happened('3 hours') WHERE what = 'n9: Long ago.'), 1::bigint, 'or longer');

-- ---- which node is in doubt? (no connection is behind these two)
SELECT set_eq('SELECT node FROM holdfast.doubts WHERE doubt ~ ''^Nobody holds the lock''', ARRAY['n2', 'n3'], 'nodes that are dead, and not ended yet');

-- ---- is anything stuck? One finding after the other.
SELECT is(pg_temp.says('has no owner|have no owner'), 0::bigint, 'everything has an owner');
SELECT holdfast.free_partitions(array_agg(partition_id), 'test') FROM holdfast.partition WHERE partition = '1' \gset _
SELECT is(pg_temp.says('have no owner'), 0::bigint, 'a moment without one is nothing');
UPDATE holdfast.partition SET free_since = now() - interval '1 hour', registered_at = now() - interval '1 day' WHERE partition = '1';
SELECT is(pg_temp.says('^hub demo: 1 partitions have no owner'), 1::bigint, 'for longer than a TTL it is');
SELECT holdfast.place_free() \gset _
SELECT holdfast.begin_moves(array_agg(partition_id), array_agg(2), 'test') FROM holdfast.partition WHERE partition = '2' \gset _
UPDATE holdfast.partition SET move_deadline = now() - interval '1 minute' WHERE state = 'releasing';
SELECT is(pg_temp.says('Its move is overdue'), 1::bigint, 'a move that nobody calls off');
SELECT holdfast.call_off(array_agg(partition_id), 'test') FROM holdfast.partition WHERE state = 'releasing' \gset _
INSERT INTO holdfast.decline (session_id, hub, until, reason) VALUES (2, 'demo', now() + interval '1 hour', 'no route');
SELECT is(pg_temp.says('has declined it'), 0::bigint, 'one node declined: that is what others are for');
INSERT INTO holdfast.decline (session_id, hub, until, reason) VALUES (3, 'demo', now() + interval '1 hour', 'no route');
SELECT is(pg_temp.says('^hub demo: Every live node has declined it'), 1::bigint, 'all did');
DELETE FROM holdfast.decline;
SELECT holdfast.report(pg_temp.key(2), '{"hubs": {"demo": "secret demo-hub is missing"}, "destinations": {"thingworx": "paused"}}', '{}', '{}', '{}') \gset _
SELECT holdfast.report_event(pg_temp.key(2), 'destination', 'thingworx', 'the application key is refused', 'HTTP 401', 'renew the key') \gset _
SELECT results_eq($$SELECT error, detail FROM found WHERE subject = 'hub demo'$$,
                  $$VALUES ('1 live nodes cannot read it', 'n2: secret demo-hub is missing')$$, 'a hub''s fault, such as a missing secret');
SELECT results_eq($$SELECT error, detail, hint FROM found WHERE subject = 'destination thingworx'$$,
                  $$VALUES ('It is paused for 1 of the live nodes', 'the application key is refused: HTTP 401', 'renew the key')$$, 'a destination''s fault, with what the node said');
SELECT holdfast.report(pg_temp.key(2), '{}', '{}', '{}', '{}') \gset _
UPDATE holdfast.hub SET updated_at = now() - interval '1 hour';
SELECT is(pg_temp.says('^hub other: Its partitions are not known yet'), 1::bigint, 'a hub that nobody has read');
SELECT is(pg_temp.says('^dead letters'), 0::bigint, 'no dead letters');
SELECT holdfast.set_setting('dead_letter_alarm', '100') \gset _
CREATE FUNCTION pg_temp.letters(many int, age interval, state text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO holdfast.dead_letter (partition_id, generation, sequence, property, hub, partition, device, module, event_offset, enqueued_ms, reason,
                                      detail, payload, attempts, node, token, created_at, state, requested_at)
    SELECT 1, 1, nextval('holdfast.session_number'), '', 'demo', '0', 'd1', '', '1', 1, 'refused', 'too hot', '', 1, 'n2', 1, now() - age, state,
           CASE state WHEN 'requested' THEN now() - age END
      FROM generate_series(1, many) $$;
SELECT pg_temp.letters(99, '2 hours', 'kept') \gset _
SELECT is(pg_temp.says('^dead letters'), 0::bigint, 'few, and old');
SELECT pg_temp.letters(1, '1 minute', 'kept') \gset _
SELECT is((SELECT string_agg(error, '|') FROM found WHERE subject = 'dead letters'), '1 came within the last hour|100 wait to be replayed or discarded', 'they grow; there are too many');
SELECT pg_temp.letters(2, '1 hour', 'requested') \gset _
SELECT is(pg_temp.says('^dead letters: 2 replays'), 1::bigint, 'replays that do not end');
UPDATE holdfast.session SET version = 'older', ttl_ms = 7000 WHERE session_id = 2;
SELECT is((SELECT detail FROM found WHERE error = 'Nodes of different versions are live'), 'n2: older, n3: test', 'versions differ');
SELECT is(pg_temp.says('Nodes with different times to live'), 1::bigint, 'times to live differ');
INSERT INTO holdfast.session (session_id, node, incarnation, protocol, version, ttl_ms, lease_pid, lease_start, watch_pid,
                              watch_start, work_pid, work_start, joined_at, ended_at, end_reason)
SELECT 2000 + i, 'n1', holdfast.incarnation_current(), 1, 'test', 5000, 1, now(), 2, now(), 3, now(), now(), now(), 'died' FROM generate_series(1, 3) i;
SELECT is(pg_temp.says('^node n1: It died 4 times'), 1::bigint, 'a node that dies again and again');
SELECT holdfast.drain_node('n2') \gset _
SELECT is(pg_temp.says('^node n2: It is drained'), 1::bigint, 'a drained node');
SELECT holdfast.drain_node('n3') \gset _
SELECT is(pg_temp.says('^cluster: All live nodes are drained'), 1::bigint, 'all drained');
SELECT holdfast.undrain_node('n2'), holdfast.undrain_node('n3') \gset _
UPDATE holdfast.lease SET session_id = NULL, token = NULL;
SELECT is(pg_temp.says('^lease leader: Nobody leads'), 1::bigint, 'nobody leads');
UPDATE holdfast.lease l SET session_id = t.session_id, token = t.token FROM holdfast.term t WHERE upper_inf(t.during);
UPDATE holdfast.term SET during = tstzrange(now() - interval '100 minutes', NULL) WHERE upper_inf(during);
UPDATE holdfast.housekeeping SET done_at = now() - interval '2 hours';
SELECT is(pg_temp.says('^history: History is not pruned'), 1::bigint, 'history is not pruned');
UPDATE holdfast.housekeeping SET done_at = now();
SELECT is(pg_temp.says('^history|^sequence|^incarnation'), 0::bigint, 'it is');
SELECT t.last_value AS last FROM holdfast.token t \gset
SELECT setval('holdfast.token', 1000) \gset _
SELECT is(pg_temp.says('^sequence token'), 1::bigint, 'a sequence of tokens that was set back');
SELECT setval('holdfast.token', :last), setval('holdfast.session_number', 2000000001) \gset _
SELECT is(pg_temp.says('^sequence session_number'), 1::bigint, 'numbers that come to their end');
SELECT setval('holdfast.session_number', 3000) \gset _
DELETE FROM holdfast.incarnation_live;
SELECT is(pg_temp.says('^incarnation'), 1::bigint, 'a restart after which nobody has joined');
SELECT holdfast.end_sessions(ARRAY[2, 3], 'died') \gset _
SELECT is(pg_temp.says('^cluster: No node is live'), 1::bigint, 'nobody is live');
SELECT is_empty('SELECT * FROM found WHERE severity IS NULL OR subject IS NULL OR error IS NULL OR detail IS NULL OR hint IS NULL', 'every finding is whole');

-- ---- a reader may ask all of it
SET ROLE holdfast_reader;
SELECT lives_ok(q, q) FROM unnest(ARRAY['SELECT * FROM holdfast.leader', 'SELECT * FROM holdfast.leader_at(now())', 'SELECT * FROM holdfast.owner_at(''demo'', ''0'', now())',
    'SELECT * FROM holdfast.partitions_lagging', 'SELECT * FROM holdfast.doubts', 'SELECT * FROM holdfast.what_happened()', 'SELECT * FROM holdfast.diagnose()']) AS q;
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
