-- Terms and ownerships in time, tokens, sessions' keys, incarnations.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/members.sql
SELECT pg_temp.member(1), pg_temp.member(2), pg_temp.partitions('demo', 2), holdfast.lock_cluster() \gset _

-- ---- terms
SELECT holdfast.open_terms(2) \gset _
SELECT is((SELECT node FROM holdfast.leader), 'n2', 'the candidate leads');
SELECT holdfast.open_terms(1) \gset _
SELECT is((SELECT node FROM holdfast.leader), 'n2', 'who leads is not replaced');
SELECT token AS first FROM holdfast.leader \gset
SELECT holdfast.end_sessions(ARRAY[2], 'died') \gset _
SELECT is_empty('SELECT * FROM holdfast.leader', 'its death leaves the lease free');
SELECT holdfast.open_terms(2) \gset _
SELECT is((SELECT node FROM holdfast.leader), 'n1', 'an ended candidate gets nothing');
SELECT cmp_ok((SELECT token FROM holdfast.leader), '>', :first, 'under a greater token');
SELECT is((SELECT count(*) FROM holdfast.term WHERE upper_inf(during)), 1::bigint, 'one open term');
SELECT throws_ok($$INSERT INTO holdfast.term (lease, token, session_id, node, during)
                   VALUES ('leader', 1, 1, 'n1', tstzrange(now() + '1 day', NULL))$$, NULL, NULL,
                 'a second open term is refused');
SELECT throws_ok($$INSERT INTO holdfast.term (lease, token, session_id, node, during, end_reason)
                   SELECT 'leader', 1, 1, 'n1', tstzrange(lower(during) - interval '1 us', lower(during) + interval '1 us'), 'x'
                     FROM holdfast.term WHERE upper_inf(during)$$, '23P01', NULL, 'terms cannot overlap');
SELECT is((SELECT node FROM holdfast.leader_history WHERE during @> clock_timestamp()), 'n1', 'who leads now? is a query');
-- A drained node leads only when there is no other.
SELECT pg_temp.member(3), holdfast.drain_node('n1'), holdfast.end_sessions(ARRAY[1], 'left') \gset _
SELECT pg_temp.member(4), holdfast.drain_node('n4'), holdfast.open_terms(4) \gset _
SELECT is((SELECT node FROM holdfast.leader), 'n3', 'a drained candidate gives way');

-- ---- a clock that steps back
UPDATE holdfast.term SET during = tstzrange(clock_timestamp() + interval '1 hour', NULL) WHERE upper_inf(during);
SELECT holdfast.end_sessions(ARRAY[3], 'died'), holdfast.open_terms(NULL) \gset _
SELECT is((SELECT upper(during) - lower(during) FROM holdfast.term WHERE session_id = 3), interval '1 us', 'closes all the same');
SELECT is((SELECT lower(during) FROM holdfast.term WHERE upper_inf(during)),
          (SELECT upper(during) FROM holdfast.term WHERE session_id = 3), 'and the next begins no earlier');

-- ---- tokens
SELECT holdfast.new_token() AS drawn \gset
SELECT holdfast.raise_tokens(:drawn - 5), holdfast.raise_tokens(NULL) \gset _
SELECT cmp_ok(holdfast.new_token(), '>', :drawn, 'tokens never go back');
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS clock \gset
SELECT holdfast.raise_tokens(holdfast.new_token() + 1) \gset _
SELECT cmp_ok(holdfast.new_token(), '>', :clock::bigint, 'what was seen elsewhere is passed by as much as the clock has moved');
SELECT holdfast.raise_tokens(:drawn + 1000000000000) \gset _
SELECT is(holdfast.new_token(), :drawn + 1000000000001, 'and jump over what somebody has seen');
SELECT holdfast.raise_tokens(:drawn) \gset _
SELECT is(holdfast.new_token(), :drawn + 1000000000002, 'an older one changes nothing');
SELECT cmp_ok(:drawn, '>', (extract(epoch FROM now() - interval '1 day') * 1000000)::bigint,
              'an incarnation begins at microseconds since 1970');

-- ---- an exclusion of ownerships
SELECT holdfast.undrain_node('n4'), holdfast.place_free() \gset _
SELECT throws_ok($$INSERT INTO holdfast.ownership (partition_id, session_id, node, token, during, how, end_reason)
                   SELECT partition_id, 1, 'n1', 1, tstzrange(lower(during), lower(during) + interval '1 s'), 'forced', 'x'
                     FROM holdfast.ownership WHERE upper_inf(during) LIMIT 1$$, '23P01', NULL, 'an ended ownership cannot overlap the open one');
SELECT throws_ok($$INSERT INTO holdfast.ownership (partition_id, session_id, node, token, during, how, end_reason)
                   SELECT partition_id, 1, 'n1', i, tstzrange('2020-01-01', '2020-01-02'), 'forced', 'x'
                     FROM (SELECT partition_id FROM holdfast.ownership LIMIT 1) o, generate_series(1, 2) i$$, '23P01', NULL, 'nor another ended one');
SELECT throws_ok($$INSERT INTO holdfast.ownership (partition_id, session_id, node, token, during, how)
                   SELECT partition_id, 1, 'n1', 1, tstzrange(now(), NULL), 'forced' FROM holdfast.ownership WHERE upper_inf(during) LIMIT 1$$,
                 '23505', NULL, 'and only one is open');
SAVEPOINT before_overlap;
SELECT partition_id AS pid FROM holdfast.ownership WHERE upper_inf(during) LIMIT 1 \gset
DELETE FROM holdfast.ownership WHERE partition_id = :pid AND upper_inf(during);
UPDATE holdfast.partition SET free_since = clock_timestamp() WHERE partition_id = :pid;
SELECT throws_ok(format($$INSERT INTO holdfast.ownership (partition_id, session_id, node, token, during, how)
                          VALUES (%s, 1, 'n1', 1, tstzrange(now() - interval '1 s', NULL), 'forced')$$, :pid),
                 '23P01', NULL, 'the next one cannot begin before the last one has ended');
ROLLBACK TO before_overlap;
SELECT throws_ok($$INSERT INTO holdfast.ownership (partition_id, session_id, node, token, during, how)
                   VALUES (-1, 1, 'n1', 1, tstzrange(now(), NULL), 'forced')$$, '23503', NULL, 'an ownership is of a partition');
SAVEPOINT before_delete;
DELETE FROM holdfast.partition;
SELECT is((SELECT count(*) FROM holdfast.ownership), 0::bigint, 'and goes with it');
ROLLBACK TO before_delete;

-- ---- keys
SELECT is(holdfast.session_of(pg_temp.key(4)), 4, 'a key names its session');
SELECT throws_ok('SELECT holdfast.session_of(NULL)', 'HF002', 'This session is not known', 'null is no key');
SELECT throws_ok('SELECT holdfast.session_of(pg_temp.key(3))', 'HF002', 'Session 3 of node "n3" has ended', 'an ended one is told so');
SELECT ok((SELECT (p.assignment_version, p.live_sessions, p.leader) = (s.assignment_version, 1, true)
             FROM holdfast.poll(pg_temp.key(4)) p, holdfast.session s WHERE s.session_id = 4), 'poll');
SELECT throws_ok(format('SELECT holdfast.tend(pg_temp.key(4), %s)', :first), 'HF006', NULL, 'an old leader token');
SELECT throws_ok(format($$SELECT holdfast.report_hub(pg_temp.key(4), %s, 'demo', 'e', 1, ARRAY['0'])$$, :first), 'HF006', NULL,
                 'nor does it register hubs');

-- ---- a new incarnation
CREATE TEMP TABLE owned AS SELECT * FROM holdfast.partition WHERE owner_session_id = 4;
DELETE FROM holdfast.incarnation_live;
SELECT throws_ok('SELECT holdfast.session_of(pg_temp.key(4))', 'HF002', 'Session 4 of node "n4" is from before a restart of the database',
                 'sessions of the old life are told so');
SELECT isnt(holdfast.open_incarnation('n9', 5000), NULL, 'opened');
SELECT is(holdfast.open_incarnation('n9', 5000), holdfast.incarnation_current(), 'once');
SELECT is_empty('SELECT * FROM holdfast.session WHERE ended_at IS NULL', 'all sessions have ended');
SELECT is_empty($$SELECT 1 FROM owned o JOIN holdfast.partition p USING (partition_id)
                   WHERE p.reserved_node IS DISTINCT FROM 'n4' OR p.token <> o.token$$, 'their partitions are reserved');
SELECT is_empty('SELECT * FROM holdfast.leader', 'leases are not');
SELECT cmp_ok((SELECT reserved_until - began_at FROM holdfast.incarnation_history WHERE opened_by = 'n9'), '>=',
              interval '5 s', 'for one TTL');
SELECT is((SELECT count(*) FROM holdfast.incarnations WHERE current), 1::bigint, 'the view says which is current');
SELECT is(pg_temp.errors(), 0::bigint, 'nothing is amiss');

SELECT * FROM finish();
ROLLBACK;
