-- Heartbeat rules: checked on entry, idempotent, seen by nodes; rows of Things that are heard of.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/members.sql

CREATE FUNCTION pg_temp.version_of(text) RETURNS bigint LANGUAGE sql
AS 'SELECT value FROM holdfast.version WHERE what = $1';

-- ---- what is refused
SELECT throws_ok($$SELECT holdfast.set_heartbeat('nowhere', 'a')$$, '22023', 'there is no fleet ''nowhere''',
                 'a rule needs its fleet');
SELECT throws_ok($$SELECT holdfast.set_heartbeat('demo', 'a b')$$, '22023', '''a b'' is no name for a heartbeat',
                 'and a name');
SELECT throws_ok(format('SELECT holdfast.set_heartbeat(''demo'', ''r'', %s)', arguments), '22023',
                 'the heartbeat rule ''r'' cannot be used', 'refused: ' || arguments)
  FROM unnest(ARRAY['NULL', '''''', ''' a''', 'E''a\nb''', 'repeat(''x'', 257)', 'silence => NULL',
                    'silence => ''999 ms''', 'silence => ''31 days''', 'silence => ''-1 s''', 'rank => NULL']) AS arguments;
SELECT is((SELECT count(*) FROM holdfast.heartbeats), 0::bigint, 'nothing of that was kept');

-- ---- rules
SELECT pg_temp.version_of('config') AS before \gset
SELECT lives_ok($$SELECT holdfast.set_heartbeat('demo', 'edge', silence => '90 s', devices => 'edge-*')$$, 'a rule');
SELECT is(pg_temp.version_of('config'), :before::bigint + 1, 'is seen by the nodes');
SELECT lives_ok($$SELECT holdfast.set_heartbeat('demo', 'edge', silence => '90 s', devices => 'edge-*')$$, 'again');
SELECT is(pg_temp.version_of('config'), :before::bigint + 1, 'changes nothing, and wakes no node');
SELECT holdfast.set_heartbeat('demo', 'all', 'alive', '1 day', rank => -1);
SELECT results_eq($$SELECT name, property, silence FROM holdfast.heartbeats$$,
                  $$VALUES ('all' COLLATE "C", 'alive', interval '1 day'), ('edge', 'isConnected', '90 s')$$,
                  'in the order in which they decide');
SELECT is((SELECT jsonb_agg(jsonb_build_array(h -> 'name', h -> 'silence_ms'))
             FROM jsonb_array_elements(holdfast.configuration_rows() -> 'heartbeats') h),
          '[["all", 86400000], ["edge", 90000]]', 'nodes read them so');
SELECT throws_ok($$SELECT holdfast.set_heartbeat('demo', 'r' || i) FROM generate_series(1, 99) i$$, '22023',
                 'fleet ''demo'' has too many heartbeat rules', 'there is a limit');

-- ---- Things that are heard of
SELECT pg_temp.member(1), pg_temp.member(2), pg_temp.partitions('demo', 2) \gset _
SELECT holdfast.place_free() \gset _
SELECT partition_id AS p1, token AS t1 FROM holdfast.partition WHERE owner_session_id = 1 LIMIT 1 \gset
SELECT partition_id AS p2, token AS t2 FROM holdfast.partition WHERE owner_session_id = 2 LIMIT 1 \gset
CREATE FUNCTION pg_temp.note(session int, ids int[], tokens bigint[], things text[], present boolean[]) RETURNS void
LANGUAGE sql AS $$SELECT holdfast.note_presence(pg_temp.key($1), $2, $3, $4, $4, array_fill(''::text, ARRAY[cardinality($4)]), $5)$$;
CREATE FUNCTION pg_temp.there(id int) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(p.thing, ' ' ORDER BY p.thing), '') FROM holdfast.presence_of(pg_temp.key(2), id) p $$;
SELECT pg_temp.note(1, ARRAY[:p1, :p1], ARRAY[:t1, :t1], ARRAY['b', 'a'], '{t,t}');
SELECT is(pg_temp.there(:p1), 'a b', 'are noted');
SELECT pg_temp.note(1, ARRAY[:p1, :p1, :p1], ARRAY[:t1, :t1, :t1], ARRAY['a', 'c', 'b'], '{t,t,f}');
SELECT is(pg_temp.there(:p1), 'a c', 'again, more, and less');
SELECT pg_temp.note(1, ARRAY[:p1, :p1, :p2], ARRAY[:t1 - 1, :t1 - 1, :t2], ARRAY['x', 'a', 'y'], '{t,f,t}');
SELECT is(pg_temp.there(:p1) || '|' || pg_temp.there(:p2), 'a c|', 'not by an older token, not of another''s partition');
SELECT pg_temp.note(2, ARRAY[:p2, :p1], ARRAY[:t2, :t1], ARRAY['y', 'a'], '{t,f}');
SELECT is(pg_temp.there(:p1) || '|' || pg_temp.there(:p2), 'a c|y', 'each session has its own');
SELECT throws_ok(format('SELECT pg_temp.note(3, ARRAY[%s], ARRAY[%s], ARRAY[''z''], ''{t}'')', :p1, :t1), 'HF002', NULL,
                 'an unknown key');
SELECT throws_ok(format('SELECT pg_temp.note(1, ARRAY[%s], ARRAY[%s, 1], ARRAY[''z''], ''{t}'')', :p1, :t1), '22023', NULL,
                 'arrays of different length');
SELECT results_eq($$SELECT fleet, thing, device, module, hub FROM holdfast.connected_things WHERE thing <> 'y'$$,
                  $$VALUES ('demo' COLLATE "C", 'a' COLLATE "C", 'a' COLLATE "C", '' COLLATE "C", 'demo' COLLATE "C"),
                           ('demo', 'c', 'c', '', 'demo')$$, 'an administrator sees them');

-- ---- the end of a rule
SELECT ok(holdfast.drop_heartbeat('demo', 'edge'), 'a rule goes');
SELECT ok(NOT holdfast.drop_heartbeat('demo', 'edge'), 'once');
SELECT is(pg_temp.there(:p1), 'a c', 'others hold on to their Things');
SELECT ok(holdfast.drop_heartbeat('demo', 'all'), 'the last one');
SELECT is(pg_temp.there(:p1) || pg_temp.there(:p2), '', 'takes the Things along');
SELECT * FROM finish();
ROLLBACK;
