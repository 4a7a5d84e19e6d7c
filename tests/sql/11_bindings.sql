-- Bindings: by rule, by row, and what is unbound.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/demo.sql
CREATE FUNCTION pg_temp.version_of(text) RETURNS bigint LANGUAGE sql
AS 'SELECT value FROM holdfast.version WHERE what = $1';
PREPARE ask AS SELECT device, module, thing FROM holdfast.resolve(:key1, 'demo', $1, $2)
                ORDER BY device COLLATE "C", module COLLATE "C";

-- ---- the rule
SELECT is(holdfast.thing_of(t.template, t.device, t.module), t.thing,
          format('%s of %s/%s is %s', t.template, t.device, t.module, t.thing))
  FROM (VALUES ('{device}', 'd', '', 'd'), ('{device}', 'd', 'm', 'd:m'), ('p-{device}', 'd', 'm', 'p-d:m'),
               ('{module}.{device}', 'd', 'm', 'm.d'), ('{device}{device}', 'd', '', 'dd'),
               ('{device}/{module}', '{module}', 'm', '{module}/m'),
               ('{device}/{module}', 'd', '{device}', 'd/{device}'))
       AS t (template, device, module, thing);

SELECT throws_ok($$SELECT * FROM holdfast.resolve('00000000-0000-0000-0000-000000000999', 'demo',
                   ARRAY['d'], ARRAY[''])$$, 'HF002', NULL, 'an unknown key resolves nothing');
SELECT throws_ok(format('SELECT * FROM holdfast.resolve(%L, ''demo'', ARRAY[''d''], ARRAY[]::text[])', :key1),
                 '22023', 'the arrays differ in length', 'arrays of different length');
SELECT throws_ok(format('SELECT * FROM holdfast.resolve(%L, ''none'', ARRAY[''d''], ARRAY[''''])', :key1),
                 '22023', 'there is no fleet ''none''', 'a fleet that is not there');
SELECT pg_temp.version_of('bindings') AS before \gset
SELECT results_eq($$EXECUTE ask(ARRAY['d2', 'd1', 'd1', 'd1'], ARRAY['', '', '', 'm'])$$,
                  $$VALUES ('d1', '', 'd1'), ('d1', 'm', 'd1:m'), ('d2', '', 'd2')$$,
                  'new devices are bound by the rule, each answered once');
SELECT results_eq($$EXECUTE ask(ARRAY['d1'], ARRAY[NULL])$$, $$VALUES ('d1', '', 'd1')$$,
                  'a null module is the device');
SELECT is(pg_temp.version_of('bindings'), :before::bigint, 'that wakes no node');
SELECT is((SELECT count(*) FROM holdfast.bindings WHERE source = 'rule'), 3::bigint, 'they are rows now');
SELECT results_eq($$EXECUTE ask(ARRAY['', NULL], ARRAY['', ''])$$,
                  $$VALUES ('', '', NULL::text), (NULL, '', NULL)$$, 'an event of no device is unbound');
SELECT is((SELECT count(*) FROM holdfast.unbound_device), 0::bigint, 'and is not listed');
SELECT is_empty($$EXECUTE ask(ARRAY[]::text[], ARRAY[]::text[])$$, 'nothing asked, nothing answered');

-- ---- a new rule
SELECT holdfast.bind_device('demo', 'd2', 'Pump');
SELECT pg_temp.version_of('bindings') AS before \gset
SELECT holdfast.set_fleet('demo', 'thingworx', thing_template => 'site-{device}');
SELECT is(pg_temp.version_of('bindings'), :before::bigint + 1, 'a new template wakes the nodes');
SELECT results_eq($$EXECUTE ask(ARRAY['d1', 'd1', 'd2', 'd3'], ARRAY['', 'm', '', ''])$$,
                  $$VALUES ('d1', '', 'site-d1'), ('d1', 'm', 'site-d1:m'), ('d2', '', 'Pump'),
                           ('d3', '', 'site-d3')$$, 'bindings by rule follow, bindings by row stay');
SELECT holdfast.set_fleet('demo', 'thingworx', device_pattern => '^d[12]$');
SELECT results_eq($$EXECUTE ask(ARRAY['d1', 'd2', 'd3', 'x'], ARRAY['', '', '', 'm'])$$,
                  $$VALUES ('d1', '', 'd1'), ('d2', '', 'Pump'), ('d3', '', NULL), ('x', 'm', NULL)$$,
                  'a pattern takes its bindings away, and binds no other');
SELECT results_eq($$SELECT device, module, reason FROM holdfast.unbound_devices ORDER BY device$$,
                  $$VALUES ('d3'::text COLLATE "C", ''::text COLLATE "C", 'device_pattern does not match'),
                           ('x', 'm', 'device_pattern does not match')$$, 'they are listed');
SELECT holdfast.set_fleet('demo', 'thingworx', auto_bind => false);
SELECT results_eq($$EXECUTE ask(ARRAY['d1', 'd3'], ARRAY['', ''])$$,
                  $$VALUES ('d1', '', 'd1'), ('d3', '', NULL)$$, 'auto_bind off: what is bound stays');
SELECT is((SELECT reason FROM holdfast.unbound_devices WHERE device = 'd3'), 'auto_bind is off',
          'the reason follows');
SELECT holdfast.set_fleet('demo', 'thingworx');
SELECT results_eq($$EXECUTE ask(ARRAY['d3'], ARRAY[''])$$, $$VALUES ('d3', '', 'd3')$$,
                  'on again: bound when next seen');
SELECT is((SELECT array_agg(device::text) FROM holdfast.unbound_devices), ARRAY['x'], 'and off the list');

-- ---- by row
SELECT throws_ok(format('SELECT holdfast.bind_device(%s)', arguments), '22023', NULL, 'refused: ' || arguments)
  FROM unnest(ARRAY[$$'demo', 'd', ''$$, $$'demo', 'd', NULL$$, $$'demo', '', 't'$$, $$'demo', NULL, 't'$$,
                    $$'demo', 'd', ' t'$$, $$'demo', 'd', E't\n'$$, $$'none', 'd', 't'$$, $$NULL, 'd', 't'$$])
       AS arguments;
SELECT throws_ok($$SELECT holdfast.bind_devices('demo', ARRAY['a', 'b'], ARRAY['t'])$$, '22023',
                 'the arrays differ in length', 'arrays of different length');
SELECT throws_ok($$SELECT holdfast.bind_devices('demo', ARRAY['a', 'a'], ARRAY['t', 'u'])$$, '22023',
                 'a device is named twice', 'one device, two Things');
SELECT pg_temp.version_of('bindings') AS before \gset
SELECT is(holdfast.bind_devices('demo', ARRAY['x', 'x', 'y'], ARRAY['X', 'Xm', 'Y'], ARRAY['', 'm', NULL]),
          3::bigint, 'three bindings');
SELECT is(pg_temp.version_of('bindings'), :before::bigint + 1, 'wake the nodes once');
SELECT is(holdfast.bind_devices('demo', ARRAY['x'], ARRAY['X']), 0::bigint, 'the same again is no change');
SELECT is(pg_temp.version_of('bindings'), :before::bigint + 1, 'and wakes nobody');
SELECT is((SELECT count(*) FROM holdfast.unbound_devices), 0::bigint, 'a bound device is off the list');
SELECT is((SELECT thing::text FROM holdfast.bindings WHERE device = 'x' AND module = 'm'), 'Xm', 'a module');
SELECT is(holdfast.unbind_device('demo', 'x', 'm'), true, 'unbound again');
SELECT is(holdfast.unbind_device('demo', 'x', 'm'), false, 'there was nothing left');
SELECT is((SELECT count(*) FROM holdfast.bindings WHERE device = 'x'), 1::bigint, 'the device stays bound');

-- ---- many devices
SELECT is((SELECT count(r.thing) FROM holdfast.resolve(:key1, 'demo',
                  ARRAY(SELECT 'bulk' || i FROM generate_series(1, 1000) AS i),
                  ARRAY(SELECT '' FROM generate_series(1, 1000))) AS r), 1000::bigint, 'a thousand at once');
SELECT performs_within(format($$SELECT * FROM holdfast.resolve(%L, 'demo',
                  ARRAY(SELECT 'bulk' || i FROM generate_series(1, 1000) AS i),
                  ARRAY(SELECT '' FROM generate_series(1, 1000)))$$, :key1), 25, 25, 5,
                  'and a thousand known ones are found in milliseconds');

SELECT * FROM finish();
ROLLBACK;
