-- What administrators steer: pauses, pins, checkpoints; nodes that flap; and that history stays bounded.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/members.sql
SELECT pg_temp.member(1), pg_temp.member(2), pg_temp.member(3), pg_temp.partitions('demo', 6), pg_temp.partitions('other', 3) \gset _
SELECT holdfast.lock_cluster(), holdfast.open_terms(1), holdfast.place_free() \gset _
CREATE FUNCTION pg_temp.owner(hub text, partition text) RETURNS text LANGUAGE sql AS $$
    SELECT s.node FROM holdfast.partition p LEFT JOIN holdfast.session s ON s.session_id = p.owner_session_id
     WHERE p.hub = $1 AND p.partition = $2 $$;
CREATE FUNCTION pg_temp.state(hub text, partition text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', p.state, p.pause_reason) FROM holdfast.partitions p WHERE p.hub = $1 AND p.partition = $2 $$;
CREATE FUNCTION pg_temp.settle() RETURNS bigint LANGUAGE sql AS
    $$ SELECT holdfast.plan_and_move() + pg_temp.release_all() + holdfast.plan_and_move() + pg_temp.release_all() $$;
SELECT is(pg_temp.shares(), 'n1:3 n2:3 n3:3', 'balanced at first');

-- ---- a partition is paused
SELECT throws_ok($$SELECT holdfast.pause_partition('demo', '99', 'x')$$, '22023', NULL, 'no such partition');
SELECT throws_ok($$SELECT holdfast.pause_partition('demo', '0', NULL)$$, '22023', 'A pause needs a reason', 'a pause without a reason');
SELECT throws_ok($$SELECT holdfast.pause_hub('none', 'x')$$, '22023', NULL, 'no such hub');
SELECT holdfast.pause_partition('demo', '0', 'the line is being rebuilt') \gset _
SELECT ok(holdfast.plan_is_due(), 'the leader is to act');
SELECT is(holdfast.plan_and_move(), 1, 'the owner is asked to give it up');
SELECT is(pg_temp.state('demo', '0'), 'pausing the line is being rebuilt', 'and until it has, it is pausing');
SELECT is((SELECT successor_session_id FROM holdfast.partition WHERE hub = 'demo' AND partition = '0'), NULL, 'for nobody');
SELECT is(pg_temp.release_all(), 1::bigint, 'it does');
SELECT is(pg_temp.state('demo', '0'), 'paused the line is being rebuilt', 'paused');
SELECT is((SELECT count(*) FROM holdfast.checkpoint c JOIN holdfast.partition p USING (partition_id)
            WHERE p.hub = 'demo' AND p.partition = '0' AND c.token IS NULL), 1::bigint, 'its checkpoint is kept, under nobody''s token');
SELECT is(holdfast.place_free(), 0, 'nobody gets it by a sweep');
SELECT is(holdfast.plan_and_move(), 0, 'nor by a plan');
SELECT is((SELECT sum(quota) FROM holdfast.quotas()), 8::numeric, 'it does not count in the quotas');
SELECT is((SELECT concat_ws('|', paused, without_owner) FROM holdfast.status), '1|0', 'status tells it from those that have no owner');
SELECT results_eq($$SELECT severity, subject, detail ~ ': the line is being rebuilt$' FROM holdfast.diagnose() WHERE error = 'It is paused'$$,
                  $$VALUES ('notice', 'partition demo/0', true)$$, 'diagnose() says why it stands');
SELECT holdfast.move_partition('demo', '0', 'n2'), holdfast.plan_and_move() \gset _
SELECT is(pg_temp.owner('demo', '0'), NULL, 'an administrator''s move does not wake it up');
SELECT is((SELECT count(*) FROM holdfast.events WHERE detail ~ 'is paused; a pin'), 1::bigint, 'and is told so');
SELECT holdfast.resume_partition('demo', '0'), holdfast.resume_partition('demo', '1') \gset _
SELECT is((SELECT count(*) FROM holdfast.events WHERE kind = 'pause'), 2::bigint, 'resuming what is not paused is no event');
SELECT holdfast.plan_and_move() \gset _
SELECT isnt(pg_temp.owner('demo', '0'), NULL, 'resumed: it has an owner');
SELECT is((SELECT why FROM holdfast.partition_history WHERE hub = 'demo' AND partition = '0' AND until IS NULL),
          'it may be read again, after a pause or a disabled hub', 'and its history says why');

-- ---- a hub is paused, and resumed before its owners have let go
SELECT holdfast.pause_hub('other', 'audit') \gset _
SELECT is(holdfast.plan_and_move(), 3, 'all its partitions are to be given up');
SELECT holdfast.resume_hub('other'), holdfast.plan_and_move() \gset _
SELECT is((SELECT count(*) FROM holdfast.partition WHERE hub = 'other' AND state = 'owned'), 3::bigint, 'what was not released yet is read on');
SELECT is(pg_temp.release_all(), 0::bigint, 'and nothing is handed over');
UPDATE holdfast.partition SET move_again_at = NULL;
SELECT holdfast.pause_hub('other', 'audit'), pg_temp.settle() \gset _
SELECT is((SELECT count(owner_session_id) FROM holdfast.partition WHERE hub = 'other'), 0::bigint, 'paused: nobody owns any');
SELECT is((SELECT max(held) - min(held) FROM holdfast.quotas()), 0::bigint, 'the rest is balanced');
SELECT holdfast.pause_partition('other', '1', 'longer') \gset _
SELECT holdfast.resume_hub('other'), pg_temp.settle() \gset _
SELECT is((SELECT string_agg(partition, ',' ORDER BY partition) FROM holdfast.partition WHERE hub = 'other' AND owner_session_id IS NOT NULL), '0,2',
          'what is paused by itself stays so');
SELECT holdfast.end_sessions(ARRAY[3], 'died'), holdfast.place_free() \gset _
SELECT is(pg_temp.owner('other', '1'), NULL, 'also through deaths and sweeps');
SELECT holdfast.resume_partition('other', '1'), pg_temp.member(4), pg_temp.settle() \gset _

-- ---- a move is under way when its partition is paused
SELECT p.partition AS moving, CASE WHEN pg_temp.owner('demo', p.partition) = 'n1' THEN 'n2' ELSE 'n1' END AS taker
  FROM holdfast.partition p WHERE p.hub = 'demo' ORDER BY 1 LIMIT 1 \gset
SELECT holdfast.move_partition('demo', :'moving', :'taker'), holdfast.plan_and_move(),
       holdfast.pause_partition('demo', :'moving', 'wait'), holdfast.plan_and_move(), pg_temp.release_all() \gset _
SELECT is(pg_temp.owner('demo', :'moving'), NULL, 'it goes to nobody');
SELECT holdfast.resume_partition('demo', :'moving'), pg_temp.settle() \gset _
SELECT is(pg_temp.errors(), 0::bigint, 'nothing is amiss');

-- ---- pins
SELECT p.partition AS moving FROM holdfast.partition p WHERE p.hub = 'demo' AND p.owner_session_id <> 2 ORDER BY 1 LIMIT 1 \gset
SELECT holdfast.move_partition('demo', :'moving', 'n2', pin => true), pg_temp.settle() \gset _
SELECT is(pg_temp.owner('demo', :'moving'), 'n2', 'moved to where it is pinned');
SELECT is((SELECT why ~ '^moved from n\d: administrator .* asked for it$' FROM holdfast.partition_history
            WHERE hub = 'demo' AND partition = :'moving' AND until IS NULL), true, 'the history says who wanted it');
SELECT is((SELECT pinned_to FROM holdfast.partitions WHERE hub = 'demo' AND partition = :'moving'), 'n2', 'partitions shows the pin');
SELECT count(holdfast.move_partition('demo', partition, 'n2', true)) FROM holdfast.partition WHERE hub = 'demo' \gset _
SELECT pg_temp.settle() \gset _
SELECT is((SELECT count(*) FROM holdfast.partition WHERE hub = 'demo' AND owner_session_id = 2), 6::bigint, 'more than its share, because they are pinned');
SELECT results_eq('SELECT quota FROM holdfast.quotas() ORDER BY session_id = 2, quota', ARRAY[1, 2, 6]::bigint[], 'the others share the rest');
SELECT is(holdfast.plan_and_move(), 0, 'and nothing is moved right back');
SELECT holdfast.move_partition('other', (SELECT min(partition) FROM holdfast.partition WHERE hub = 'other' AND owner_session_id <> 2), 'n2') \gset _
SELECT holdfast.carry_out_wishes(), pg_temp.release_all() \gset _
UPDATE holdfast.partition SET move_again_at = clock_timestamp() + interval '1 minute' WHERE hub = 'other' AND owner_session_id = 2;
SELECT is(holdfast.plan_and_move(), 0, 'not for one that cannot be moved away either');
UPDATE holdfast.partition SET move_again_at = NULL;
SELECT pg_temp.settle() \gset _
SELECT is((SELECT count(*) FROM holdfast.partition WHERE owner_session_id = 2), 6::bigint, 'that one goes when it can');
SELECT holdfast.drain_node('n2'), pg_temp.settle() \gset _
SELECT is((SELECT count(*) FROM holdfast.partition WHERE owner_session_id = 2), 0::bigint, 'a drained node is empty, whatever is pinned to it');
SELECT is((SELECT count(*) FROM holdfast.diagnose() WHERE error = 'It is not where it is pinned' AND detail ~ 'the node is drained'), 6::bigint,
          'diagnose() says which pins do not count');
SELECT holdfast.undrain_node('n2') \gset _
SELECT is((SELECT count(*) FROM holdfast.plan WHERE to_node = 'n2' AND reason = 'it is pinned to node n2'), 6::bigint, 'the plan shows what comes back, and why');
SELECT pg_temp.settle() \gset _
SELECT is((SELECT count(*) FROM holdfast.partition WHERE hub = 'demo' AND owner_session_id = 2), 6::bigint, 'back again');
SELECT holdfast.end_sessions(ARRAY[2], 'died'), holdfast.place_free() \gset _
SELECT is((SELECT count(*) FROM holdfast.partition WHERE owner_session_id IS NULL), 0::bigint, 'a death leaves nothing unowned');
INSERT INTO holdfast.session (session_id, session_key, node, incarnation, protocol, version, ttl_ms, lease_pid, lease_start,
                              watch_pid, watch_start, work_pid, work_start, joined_at)
SELECT 20, pg_temp.key(20), node, incarnation, protocol, version, ttl_ms, lease_pid, now(), watch_pid, now(), work_pid, now(), now()
  FROM holdfast.session WHERE session_id = 2;
SELECT pg_temp.settle() \gset _
SELECT is((SELECT count(*) FROM holdfast.partition WHERE hub = 'demo' AND owner_session_id = 20), 6::bigint, 'when the node is back, so are they');
SELECT count(holdfast.decline(pg_temp.key(20), partition_id, token, 'no route')) FROM holdfast.partition WHERE hub = 'demo' AND owner_session_id = 20 \gset _
SELECT pg_temp.settle() \gset _
SELECT is((SELECT count(*) FROM holdfast.partition WHERE hub = 'demo' AND owner_session_id = 20), 0::bigint, 'a node that cannot serve the hub is no place for a pin');
DELETE FROM holdfast.decline;
SELECT count(holdfast.unpin_partition('demo', partition)) FROM holdfast.partition WHERE hub = 'demo' AND partition <> :'moving' \gset _
SELECT holdfast.move_partition('demo', :'moving', 'n1'), pg_temp.settle() \gset _
SELECT is_empty('SELECT * FROM holdfast.pin', 'a move without a pin ends the pin');
SELECT is((SELECT max(held) - min(held) FROM holdfast.quotas()), 0::bigint, 'and all is balanced again');
SELECT is(pg_temp.errors(), 0::bigint, 'nothing is amiss');

-- ---- a node that flaps
CREATE FUNCTION pg_temp.died(node text, times int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO holdfast.session (session_id, node, incarnation, protocol, version, ttl_ms, lease_pid, lease_start, watch_pid,
                                  watch_start, work_pid, work_start, joined_at, ended_at, end_reason)
    SELECT 1000 + nextval('holdfast.session_number'), node, holdfast.incarnation_current(), 1, 'test', 5000, 1, now(), 2, now(), 3, now(),
           now(), clock_timestamp(), 'died' FROM generate_series(1, times) $$;
CREATE FUNCTION pg_temp.waits_ms(node text) RETURNS numeric LANGUAGE sql AS
    $$ SELECT round(extract(epoch FROM holdfast.steady_at(node) - clock_timestamp()) * 1000) $$;
SELECT is(pg_temp.waits_ms('n4'), NULL, 'who does not die need not wait');
SELECT pg_temp.died('n4', 2) \gset _
SELECT is(pg_temp.waits_ms('n4'), NULL, 'nor who died twice');
SELECT pg_temp.died('n4', 1) \gset _
SELECT cmp_ok(pg_temp.waits_ms('n4'), '<=', 1000::numeric, 'three deaths: a second');
SELECT pg_temp.died('n4', 3) \gset _
SELECT cmp_ok(pg_temp.waits_ms('n4'), '>', 7000::numeric, 'six: eight seconds');
SELECT pg_temp.died('n4', 30) \gset _
SELECT cmp_ok(pg_temp.waits_ms('n4'), '<=', 60000::numeric, 'never longer than flap_hold_ms');
SELECT holdfast.set_setting('flap_hold_ms', '0') \gset _
SELECT is(pg_temp.waits_ms('n4'), NULL, 'unless that is switched off');
SELECT holdfast.set_setting('flap_hold_ms', '60000') \gset _
UPDATE holdfast.session SET ended_at = ended_at - interval '6 minutes' WHERE node = 'n4' AND ended_at IS NOT NULL;
SELECT is(pg_temp.waits_ms('n4'), NULL, 'and deaths of long ago are forgotten');
SELECT holdfast.end_sessions(ARRAY[4], 'died'), holdfast.place_free(), pg_temp.settle(), pg_temp.member(5) \gset _
UPDATE holdfast.node SET steady_at = clock_timestamp() + interval '1 minute' WHERE name = 'n5';
SELECT is(holdfast.plan_and_move(), 0, 'nothing is moved to a node that flaps');
SELECT results_eq('SELECT session_id, quota FROM holdfast.quotas() ORDER BY 1', $$VALUES (1, 5::bigint), (5, 0), (20, 4)$$, 'it has no share');
SELECT cmp_ok((SELECT rebalance_at FROM holdfast.cluster), '>', clock_timestamp(), 'the leader plans again when its time has come');
SELECT is((SELECT doubt ~ 'again and again' FROM holdfast.doubts WHERE node = 'n5' AND ends_in > interval '0'), true, 'the view doubts shows it');
SELECT holdfast.end_sessions(ARRAY[1, 20], 'died'), holdfast.place_free() \gset _
SELECT is((SELECT count(*) FROM holdfast.partition WHERE owner_session_id = 5), 9::bigint, 'but it serves when nobody else is left');
SELECT pg_temp.member(6), holdfast.plan_and_move() \gset _
SELECT is((SELECT quota FROM holdfast.quotas() WHERE session_id = 5), 5::bigint, 'what it has it shares like any other');
UPDATE holdfast.node SET steady_at = clock_timestamp() WHERE name = 'n5';
SELECT pg_temp.settle() \gset _
SELECT is((SELECT max(held) - min(held) FROM holdfast.quotas()), 1::bigint, 'and once it is steady it counts fully');

-- ---- checkpoints are reset
SELECT count(*) FROM holdfast.partition p, holdfast.save_checkpoints(pg_temp.key(p.owner_session_id), ARRAY[p.partition_id], ARRAY[p.token],
         ARRAY['1000'], ARRAY[100::bigint], ARRAY[1795235284633::bigint]) WHERE p.hub = 'demo' \gset _
SELECT count(holdfast.report(pg_temp.key(p.owner_session_id), '{}', ARRAY[p.partition_id], ARRAY[120::bigint], ARRAY[1795235290000::bigint]))
  FROM holdfast.partition p WHERE p.hub = 'demo' \gset _
CREATE FUNCTION pg_temp.at(of text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws('|', coalesce(c.event_offset, '-'), coalesce(c.sequence::text, '-'), coalesce(c.enqueued_ms::text, '-'), c.generation)
      FROM holdfast.checkpoint c JOIN holdfast.partition p USING (partition_id) WHERE p.hub = 'demo' AND p.partition = of $$;
SELECT throws_ok($$SELECT holdfast.reset_checkpoint('demo', '0', '1100', 110)$$, '55000', 'Events that were not delivered would be skipped', 'forward');
SELECT throws_ok($$SELECT holdfast.reset_checkpoint('demo', '0', start_at => 'latest')$$, '55000', NULL, 'to the end');
SELECT throws_ok($$SELECT holdfast.reset_checkpoint('demo', '0', start_at => '2026-11-21 09:00+00')$$, '55000', NULL, 'to a later time');
SELECT throws_ok($$SELECT holdfast.reset_checkpoint('demo', '0', '9', 121, allow_skip => true)$$, '22023', NULL, 'beyond the newest event');
SELECT throws_ok(format('SELECT holdfast.reset_checkpoint(''demo'', ''0'', start_at => %L)', t), '22023', NULL, 'start_at ' || t)
  FROM unnest(ARRAY['yesterday', '', '99', '1969-01-01', '2026-13-01']) AS t;
SELECT throws_ok($$SELECT holdfast.reset_checkpoint('demo', '0', '9', 9, 'earliest')$$, '22023', NULL, 'two positions');
SELECT is(pg_temp.at('0'), '1000|100|1795235284633|1', 'refused: nothing was changed');
SELECT p.token AS stale FROM holdfast.partition p WHERE hub = 'demo' AND partition = '0' \gset
SELECT holdfast.reset_checkpoint('demo', '0', start_at => '2026-11-21 04:00+00') \gset _
SELECT is(pg_temp.at('0'), '-|-|1795233600000|2', 'to a time: the node begins at the first event since then');
SELECT cmp_ok((SELECT token FROM holdfast.partition WHERE hub = 'demo' AND partition = '0'), '>', :stale::bigint, 'under a fresh token');
SELECT is((SELECT enqueued_at FROM holdfast.partitions WHERE hub = 'demo' AND partition = '0'), '2026-11-21 04:00+00'::timestamptz, 'partitions shows it');
SELECT results_eq($$SELECT event_offset, sequence, generation FROM holdfast.old_checkpoints WHERE hub = 'demo' AND partition = '0'$$,
                  $$VALUES ('1000', 100::bigint, 1)$$, 'and the old one is kept');
SELECT holdfast.reset_checkpoint('demo', '1', start_at => 'earliest'), holdfast.reset_checkpoint('demo', '2', '500', 50),
       holdfast.reset_checkpoint('demo', '3', start_at => 'latest', allow_skip => true),
       holdfast.reset_checkpoint('demo', '4', '1100', 110, allow_skip => true) \gset _
SELECT is(pg_temp.at('1'), '-|-|0|2', 'to the start');
SELECT is((SELECT concat(enqueued_at, lag_seconds) FROM holdfast.partitions WHERE hub = 'demo' AND partition = '1'), '', 'of which no time is known');
SELECT is(pg_temp.at('2'), '500|50|-|2', 'to an offset');
SELECT is((SELECT abs(enqueued_ms - extract(epoch FROM now()) * 1000) < 60000 FROM holdfast.checkpoint c JOIN holdfast.partition p USING (partition_id)
            WHERE p.hub = 'demo' AND p.partition = '3'), true, 'to the end: what comes from now on');
SELECT is(pg_temp.at('4'), '1100|110|-|2', 'forward, if that is said');
SELECT is((SELECT start_offset IS NULL AND enqueued_ms = 0 FROM holdfast.assigned_to((SELECT owner_session_id FROM holdfast.partition WHERE hub = 'demo' AND partition = '1'))
            WHERE hub = 'demo' AND partition = '1'), true, 'its owner is told');
SELECT is((SELECT count(*) FROM holdfast.events WHERE message = 'An administrator has reset the checkpoint'), 5::bigint, 'each is an event');
SELECT is(pg_temp.errors(), 0::bigint, 'nothing is amiss');

-- ---- history is bounded, by time and by count
SELECT holdfast.open_terms(NULL), holdfast.prune_history() \gset _
INSERT INTO holdfast.event_log (at, kind, message) SELECT clock_timestamp() - i * interval '1 second', 'bulk', 'x' FROM generate_series(1, 25000) i;
INSERT INTO holdfast.unbound_device (fleet, device, reason, last_seen)
SELECT 'demo', 'd' || i, 'auto_bind is off', clock_timestamp() - i * interval '1 second' FROM generate_series(1, 1500) i;
INSERT INTO holdfast.term (lease, token, session_id, node, during, end_reason)
SELECT 'leader', -i, 1, 'n1', tstzrange(now() - (i + 1) * interval '1 minute', now() - i * interval '1 minute'), 'test' FROM generate_series(10, 1600) i;
INSERT INTO holdfast.ownership (partition_id, session_id, node, token, during, how, end_reason)
SELECT (SELECT min(partition_id) FROM holdfast.partition), 1, 'n1', -i, tstzrange(now() - (i + 1) * interval '1 minute', now() - i * interval '1 minute'), 'moved', 'test'
  FROM generate_series(10, 1600) i;
SELECT holdfast.set_setting('history_rows', '1000') \gset _
SELECT cmp_ok(holdfast.prune_history(), '>=', 10000::bigint, 'a call takes ten thousand of a kind at most');
SELECT cmp_ok((SELECT count(*) FROM holdfast.event_log), '>', 14000::bigint, 'and no more');
SELECT holdfast.prune_history(), holdfast.prune_history() \gset _
SELECT is(holdfast.prune_history(), 0::bigint, 'until nothing is left to prune');
SELECT is((SELECT count(*) FROM holdfast.event_log), 1000::bigint, 'events: as many as history_rows, the youngest');
SELECT is((SELECT count(*) FROM holdfast.event_log WHERE kind = 'bulk' AND at < clock_timestamp() - interval '20 minutes'), 0::bigint, 'the oldest went');
SELECT is((SELECT count(*) FROM holdfast.unbound_device), 1000::bigint, 'unbound devices');
SELECT is((SELECT count(*) FROM holdfast.term WHERE NOT upper_inf(during)), 1000::bigint, 'ended terms');
SELECT is((SELECT count(*) FROM holdfast.term WHERE upper_inf(during)), 1::bigint, 'never the open one');
SELECT is((SELECT count(*) FROM holdfast.ownership WHERE NOT upper_inf(during)), 1000::bigint, 'ended ownerships');
SELECT is((SELECT count(*) FROM holdfast.ownership WHERE upper_inf(during)), 9::bigint, 'never the open ones');
UPDATE holdfast.session SET ended_at = ended_at - interval '91 days' WHERE ended_at IS NOT NULL;
UPDATE holdfast.node SET last_joined = last_joined - interval '91 days' WHERE name IN ('n1', 'n3');
UPDATE holdfast.checkpoint_history SET ended_at = ended_at - interval '91 days';
INSERT INTO holdfast.pin (partition_id, node, pinned_by) SELECT min(partition_id), 'n3', 'x' FROM holdfast.partition;
SELECT holdfast.prune_history() \gset _
SELECT is((SELECT count(*) FROM holdfast.session WHERE ended_at IS NOT NULL), 0::bigint, 'old sessions go');
SELECT is((SELECT string_agg(name, ',' ORDER BY name) FROM holdfast.node WHERE name IN ('n1', 'n3')), 'n3', 'and nodes of which nothing is left but a name');
SELECT results_eq($$SELECT state, ended_at IS NOT NULL, joined_at IS NOT NULL FROM holdfast.nodes WHERE node = 'n3'$$,
                  $$VALUES ('gone', true, true)$$, 'one that is kept for its pin is gone, not live');
SELECT is_empty('SELECT * FROM holdfast.old_checkpoints', 'and old checkpoints');
SELECT is(pg_temp.errors(), 0::bigint, 'nothing is amiss');

SELECT * FROM finish();
ROLLBACK;
