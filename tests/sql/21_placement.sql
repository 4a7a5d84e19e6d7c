-- Placement: balance by capacity, fewest moves, declines, drains, reservations.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/members.sql

SELECT is_empty('SELECT * FROM holdfast.placement(true, true)', 'nobody and nothing: no plan');
SELECT pg_temp.partitions('demo', 7) \gset _
SELECT is_empty('SELECT * FROM holdfast.placement(true, true)', 'partitions and nobody: no plan');
SELECT pg_temp.member(1) \gset _
SELECT is(holdfast.place_free(), 7, 'one gets all');
SELECT is((SELECT count(*) FROM holdfast.ownership WHERE how = 'first'), 7::bigint, 'history begins');

-- ---- growth
SELECT pg_temp.member(2), pg_temp.member(3) \gset _
SELECT is(holdfast.place_free(), 0, 'nothing without an owner: nothing is placed');
SELECT set_eq('SELECT quota FROM holdfast.quotas()', ARRAY[3, 2]::bigint[], 'seven by three');
SELECT is((SELECT quota FROM holdfast.quotas() WHERE session_id = 1), 3::bigint, 'the odd one where it saves a move');
SELECT is((SELECT count(*) FROM holdfast.plan), 4::bigint, 'four have to move, and the plan shows them');
SELECT is(holdfast.plan_and_move(), 4, 'they are asked for');
SELECT is(pg_temp.shares(), 'n1:3 n2:2 n3:2', 'balanced');
SELECT is_empty($$SELECT * FROM holdfast.plan WHERE state = 'planned'$$, 'nothing more to plan');
SELECT is(holdfast.plan_and_move(), 0, 'and the plan is stable');
SELECT is(pg_temp.release_all(), 4::bigint, 'released');
SELECT is(holdfast.plan_and_move(), 0, 'still stable');
SELECT is((SELECT count(*) FROM holdfast.ownership WHERE how = 'moved' AND upper_inf(during)), 4::bigint, 'moved once each');
SELECT is_empty('SELECT partition_id FROM holdfast.ownership WHERE upper_inf(during) GROUP BY 1 HAVING count(*) > 1',
                'one open ownership each');

-- ---- a death moves only what the dead owned
CREATE TEMP TABLE before AS SELECT partition_id, owner_session_id, token FROM holdfast.partition;
SELECT holdfast.end_sessions(ARRAY[1], 'died') \gset _
SELECT is(holdfast.place_free(), 3, 'three lost their owner');
SELECT is_empty($$SELECT 1 FROM before b JOIN holdfast.partition p USING (partition_id)
                   WHERE b.owner_session_id <> 1 AND (p.owner_session_id, p.token) <> (b.owner_session_id, b.token)$$,
                'the others kept owner and token');
SELECT is_empty($$SELECT 1 FROM before b JOIN holdfast.partition p USING (partition_id)
                   WHERE b.owner_session_id = 1 AND p.token <= b.token$$, 'the three have fresh tokens');
SELECT is((SELECT max(quota - held) FROM holdfast.quotas()), 0::bigint, 'and all are balanced');

-- ---- capacity, over two hubs at once
SELECT pg_temp.member(4, 4) \gset _
SELECT pg_temp.partitions('other', 5) \gset _
SELECT holdfast.place_free(), holdfast.plan_and_move(), pg_temp.release_all() \gset _
SELECT is(pg_temp.shares(), 'n2:2 n3:2 n4:8', 'by capacity 1, 1, 4');
SELECT is((SELECT sum(quota) FROM holdfast.quotas()), 12::numeric, 'quotas add up');
SELECT holdfast.set_capacity('n4', 1) \gset _
SELECT is(holdfast.plan_and_move(), 4, 'an administrator''s capacity wins');
SELECT pg_temp.release_all() \gset _
SELECT is(pg_temp.shares(), 'n2:4 n3:4 n4:4', 'balanced again');

-- ---- drain
SELECT holdfast.drain_node('n2') \gset _
SELECT is(holdfast.plan_and_move(), 4, 'a drained node gives all away');
SELECT pg_temp.release_all() \gset _
SELECT is(pg_temp.shares(), 'n3:6 n4:6', 'and has nothing');
SELECT holdfast.drain_node('n3'), holdfast.drain_node('n4') \gset _
SELECT is(holdfast.plan_and_move(), 0, 'all drained: everything stays where it is');
SELECT holdfast.undrain_node('n2'), holdfast.undrain_node('n3'), holdfast.undrain_node('n4') \gset _
SELECT is(holdfast.plan_and_move(), 4, 'and comes back');
SELECT pg_temp.release_all() \gset _

-- ---- declines
CREATE FUNCTION pg_temp.decline_hub(session int, hub text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FILTER (WHERE holdfast.decline(pg_temp.key(session), p.partition_id, p.token, 'no route'))
      FROM holdfast.partition p WHERE p.owner_session_id = session AND p.hub = $2 $$;
SELECT cmp_ok(pg_temp.decline_hub(2, 'other'), '>', 0::bigint, 'n2 cannot reach other');
SELECT is((SELECT count(*) FROM holdfast.partition WHERE hub = 'other' AND owner_session_id = 2), 0::bigint, 'it has none of it');
SELECT is((SELECT count(*) FROM holdfast.partition WHERE owner_session_id IS NULL), 0::bigint, 'others have');
SELECT holdfast.plan_and_move(), pg_temp.release_all(), holdfast.plan_and_move(), pg_temp.release_all() \gset _
SELECT is((SELECT count(*) FROM holdfast.partition WHERE hub = 'other' AND owner_session_id = 2), 0::bigint, 'the plan respects it');
SELECT is(holdfast.plan_and_move(), 0, 'and settles');
SELECT pg_temp.decline_hub(3, 'other'), pg_temp.decline_hub(4, 'other') \gset _
SELECT is((SELECT count(*) FROM holdfast.partition WHERE hub = 'other' AND owner_session_id IS NULL), 5::bigint,
          'declined by all: left alone at first');
SELECT is((SELECT count(*) FROM holdfast.checkpoint c JOIN holdfast.partition p USING (partition_id)
            WHERE p.hub = 'other' AND c.token IS NOT NULL), 0::bigint, 'with nobody''s token');
SELECT is(holdfast.place_free(), 5, 'then given to them all the same');
UPDATE holdfast.decline SET until = clock_timestamp();
SELECT holdfast.plan_and_move(), pg_temp.release_all(), holdfast.plan_and_move(), pg_temp.release_all() \gset _
SELECT is(pg_temp.shares(), 'n2:4 n3:4 n4:4', 'once it is over, the balance comes back');
SELECT is_empty('SELECT * FROM holdfast.decline', 'and the declines are forgotten');

-- ---- reservations
SELECT holdfast.end_sessions(ARRAY[2], 'restart', true) \gset _
UPDATE holdfast.cluster SET reserved_until = clock_timestamp() + interval '1 minute', rebalance_at = clock_timestamp();
SELECT is((SELECT count(*) FROM holdfast.partition WHERE reserved_node = 'n2'), 4::bigint, 'reserved');
SELECT is(holdfast.place_free(), 0, 'not placed');
SELECT ok(NOT holdfast.plan_is_due(), 'and nothing is planned meanwhile');
SELECT is((SELECT count(*) FROM holdfast.partition WHERE reserved_node = 'n2' AND token IS NULL), 0::bigint, 'tokens are kept');
UPDATE holdfast.cluster SET reserved_until = clock_timestamp();
SELECT ok(holdfast.plan_is_due(), 'until it ends');
SELECT is(holdfast.place_free(), 4, 'then they are placed');
SELECT is(pg_temp.shares(), 'n3:6 n4:6', 'balanced');

-- ---- the successor inherits, also what the balance would give to another
SELECT pg_temp.member(5) \gset _
SELECT holdfast.begin_moves(array_agg(partition_id), array_agg(5), 'test') FROM holdfast.partition WHERE owner_session_id = 4 \gset _
SELECT holdfast.end_sessions(ARRAY[4], 'died'), holdfast.place_free() \gset _
SELECT is(pg_temp.shares(), 'n3:6 n5:6', 'all that was on its way arrives');
SELECT is((SELECT count(*) FROM holdfast.partition WHERE state = 'releasing'), 0::bigint, 'nothing is on its way any more');
SELECT pg_temp.member(16) \gset _
SELECT holdfast.begin_moves(array_agg(partition_id), array_agg(16), 'test') FROM holdfast.partition WHERE owner_session_id = 5 \gset _
SELECT holdfast.end_sessions(ARRAY[3, 5], 'died') \gset _
SELECT is((SELECT count(*) FROM holdfast.partition WHERE owner_session_id = 16), 6::bigint, 'before anything is placed');
SELECT holdfast.place_free() \gset _
SELECT is(pg_temp.shares(), 'n16:12', 'and the rest after it');

-- ---- twelve by five: the two odd ones go where they save a move, then to the oldest
SELECT count(pg_temp.member(i)) FROM generate_series(7, 10) i \gset _
SELECT is((SELECT quota FROM holdfast.quotas() WHERE session_id = 16), 3::bigint, 'the youngest has them and keeps one');
SELECT is(holdfast.plan_and_move(), 9, 'so nine move, not ten');
SELECT pg_temp.release_all() \gset _
SELECT is(pg_temp.shares(), 'n7:3 n8:2 n9:2 n10:2 n16:3', 'and all are balanced');

-- ---- disabled hubs
SELECT holdfast.set_hub('other', 'demo', 'other-hub', 'holdfast', enabled => false) \gset _
SELECT holdfast.plan_and_move(), pg_temp.release_all() \gset _
SELECT is((SELECT count(*) FROM holdfast.partition WHERE hub = 'other' AND owner_session_id IS NOT NULL), 0::bigint,
          'a disabled hub has no owners');
SELECT is((SELECT count(*) FROM holdfast.checkpoint c JOIN holdfast.partition p USING (partition_id) WHERE p.hub = 'other'),
          5::bigint, 'its checkpoints are kept');
SELECT is(pg_temp.errors(), 0::bigint, 'nothing is amiss');

SELECT * FROM finish();
ROLLBACK;
