-- The views over coordination, as a reader sees them.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/members.sql
GRANT holdfast_reader TO CURRENT_USER;
SET ROLE holdfast_reader;
SELECT is((SELECT concat_ws('|', live_nodes, leader, partitions, owned) FROM holdfast.status), '0|0|0', 'an empty cluster');
SELECT is_empty($$SELECT * FROM holdfast.leader$$, 'nobody leads');
RESET ROLE;

SELECT pg_temp.member(1), pg_temp.member(2), pg_temp.partitions('demo', 4), pg_temp.partitions('other', 1) \gset _
SELECT holdfast.lock_cluster(), holdfast.open_terms(1), holdfast.place_free() \gset _
SELECT count(*) FROM (SELECT holdfast.save_checkpoints(pg_temp.key(p.owner_session_id), ARRAY[p.partition_id], ARRAY[p.token],
         ARRAY['100'], ARRAY[10::bigint], ARRAY[1000::bigint]) FROM holdfast.partition p) s \gset _
SELECT count(holdfast.report(pg_temp.key(p.owner_session_id), '{"events_per_second": 2.5, "destinations": {"twx": "ok"}, "hubs": {"demo": "up"}}', ARRAY[p.partition_id],
         ARRAY[15::bigint], ARRAY[4000::bigint])) FROM holdfast.partition p \gset _
SELECT holdfast.drain_node('n2'), holdfast.end_sessions(ARRAY[]::int[], 'died') \gset _

SET ROLE holdfast_reader;
SELECT is((SELECT concat_ws('|', live_nodes, leader, partitions, owned, releasing, without_owner, reserved, lag_events, events_per_second)
             FROM holdfast.status), '2|n1|5|5|0|0|0|25|5.0', 'status');
SELECT cmp_ok((SELECT oldest_checkpoint_age FROM holdfast.status), '<', interval '1 minute', 'with the age of the oldest checkpoint');
SELECT results_eq($$SELECT node COLLATE "default", state, leader, partitions, quota, destinations ->> 'twx' FROM holdfast.nodes ORDER BY node$$,
                  $$VALUES ('n1', 'live', true, 3::bigint, 5::bigint, 'ok'), ('n2', 'drained', false, 2, 0, 'ok')$$, 'nodes');
SELECT results_eq($$SELECT from_node COLLATE "default", to_node COLLATE "default", state FROM holdfast.plan$$,
                  $$VALUES ('n2', 'n1', 'planned'), ('n2', 'n1', 'planned')$$, 'plan: before it is applied');
RESET ROLE;
SELECT holdfast.plan_and_move() \gset _
SET ROLE holdfast_reader;
SELECT results_eq($$SELECT from_node COLLATE "default", to_node COLLATE "default", state, reason FROM holdfast.plan$$,
                  $$VALUES ('n2', 'n1', 'under way', 'its node is drained or has declined its hubs'), ('n2', 'n1', 'under way', 'its node is drained or has declined its hubs')$$, 'plan: while it is under way');
SELECT set_eq($$SELECT concat_ws('|', owner, state, next_owner, lag_events, lag_seconds, event_offset) FROM holdfast.partitions$$,
              ARRAY['n1|owned|5|3.000|100', 'n2|releasing|n1|5|3.000|100'], 'partitions');
SELECT is((SELECT count(*) FROM holdfast.partition_history WHERE until IS NULL AND how = 'first'), 5::bigint, 'partition_history');
SELECT is((SELECT concat_ws('|', node, session_id) FROM holdfast.leader), 'n1|1', 'leader');
SELECT is((SELECT count(*) FROM holdfast.leader_history WHERE until IS NULL), 1::bigint, 'leader_history');
SELECT is((SELECT opened_by FROM holdfast.incarnations WHERE current), 'fixture', 'incarnations');
SELECT is((SELECT count(*) FROM holdfast.diagnose() WHERE severity = 'warning' AND subject ~ '^node' AND error ~ '^Nobody holds'), 2::bigint,
          'diagnose sees that nobody holds the locks of these two');
SELECT is((SELECT count(*) FROM holdfast.diagnose() WHERE severity = 'error'), 0::bigint, 'and nothing worse');
RESET ROLE;

-- ---- what diagnose is for
UPDATE holdfast.session SET ended_at = now(), end_reason = 'died' WHERE session_id = 2;
UPDATE holdfast.checkpoint SET token = 1 WHERE partition_id = (SELECT min(partition_id) FROM holdfast.partition WHERE owner_session_id = 1);
SELECT is((SELECT count(*) FROM holdfast.diagnose() WHERE error LIKE '%which has ended'), 2::bigint, 'partitions of an ended session');
SELECT is((SELECT count(*) FROM holdfast.diagnose() WHERE error LIKE 'Its token is%'), 1::bigint, 'tokens that differ');
SELECT is_empty('SELECT * FROM holdfast.diagnose() WHERE error IS NULL OR detail IS NULL OR hint IS NULL', 'every finding says what to do');

SELECT * FROM finish();
ROLLBACK;
