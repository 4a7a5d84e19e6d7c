-- Mapping rules: checked on entry, idempotent, in their order, seen by nodes.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();

CREATE FUNCTION pg_temp.version_of(text) RETURNS bigint LANGUAGE sql
AS 'SELECT value FROM holdfast.version WHERE what = $1';
SELECT holdfast.set_destination('d', ARRAY['http://a/Thingworx'], 'k');
SELECT holdfast.set_fleet('plant', 'd');
SELECT holdfast.set_fleet('other', 'd');

-- ---- what is refused
SELECT throws_ok($$SELECT holdfast.set_mapping('nowhere', 'a', 'drop', '/a')$$, '22023',
                 'there is no fleet ''nowhere''', 'a rule needs its fleet');
SELECT throws_ok($$SELECT holdfast.set_mapping('plant', 'a b', 'drop', '/a')$$, '22023',
                 '''a b'' is no name for a mapping', 'and a name');
SELECT throws_ok(format('SELECT holdfast.set_mapping(''plant'', ''r'', %s)', arguments), '22023',
                 'the mapping rule ''r'' cannot be used', 'refused: ' || arguments)
  FROM unnest(ARRAY['NULL', '''rename'', ''/a''', '''property''', '''drop'', ''a''', '''drop'', ''/a~2''',
                    '''drop'', ''/a'', rank => NULL', '''property'', ''''',
                    '''property'', ''/a'', ''''', '''property'', ''/a'', '' a''', '''property'', ''/a'', E''a\nb''',
                    '''property'', ''/a'', base_type => ''DOUBLE''', '''drop'', ''/a'', ''b''',
                    '''drop'', ''/a'', base_type => ''NUMBER''', '''drop'', ''/a'', separator => ''.''',
                    '''constant'', property => ''a''', '''constant'', value => ''1''',
                    '''constant'', property => ''a'', value => ''null''',
                    '''constant'', ''/a'', ''a'', value => ''1''', '''property'', ''/a'', value => ''1''',
                    '''property'', ''/a'', thing => ''t''', '''opcua'', ''/a''',
                    '''opcua'', thing => ''{what}''', '''drop'', ''/a'', writers => ''w''', '''property'', ''/a'', nodes => ''*''', '''opcua'', thing => ''''',
                    '''drop'', ''/a'', with_value => ''1''', '''drop'', ''/a'', with_property => ''''',
                    '''property'', ''/a'', repeat(''x'', 257)', '''drop'', repeat(''/abc'', 257)']) AS arguments;
SELECT is((SELECT count(*) FROM holdfast.mappings), 0::bigint, 'nothing of that was kept');

-- ---- one rule
SELECT pg_temp.version_of('config') AS before \gset
SELECT lives_ok($$SELECT holdfast.set_mapping('plant', 'rpm', 'property', '/engine/rpm', 'Rpm', 'INTEGER')$$, 'a rule');
SELECT is(pg_temp.version_of('config'), :before::bigint + 1, 'is seen by the nodes');
SELECT lives_ok($$SELECT holdfast.set_mapping('plant', 'rpm', 'property', '/engine/rpm', 'Rpm', 'INTEGER')$$, 'again');
SELECT is(pg_temp.version_of('config'), :before::bigint + 1, 'changes nothing, and wakes no node');
SELECT lives_ok($$SELECT holdfast.set_mapping('plant', 'rpm', 'property', '/engine/rpm', 'Rpm', 'LONG')$$, 'a change');
SELECT results_eq($$SELECT name, base_type, rank FROM holdfast.mappings$$,
                  $$VALUES ('rpm'::text COLLATE "C", 'LONG', 0)$$, 'takes the place of what was');
SELECT is((SELECT separator FROM holdfast.mappings), NULL, 'with no separator');
SELECT lives_ok($$SELECT holdfast.set_mapping('plant', 'flat', 'flatten', '')$$, 'the whole payload flattened');
SELECT is((SELECT separator FROM holdfast.mappings WHERE name = 'flat'), '_', 'has one by default');
SELECT lives_ok(format($$SELECT holdfast.set_mapping('plant', 'types', 'property', '/a', base_type => %L)$$, t),
                'base type ' || t) FROM unnest(holdfast.base_types()) AS t;

SELECT lives_ok($$SELECT holdfast.set_mapping('other', 'opcua', 'opcua', property => '{writer}_{field}', base_type => 'NUMBER',
                                            thing => 'line-{writer}', writers => 'w*', nodes => '*;s=*');
                  SELECT holdfast.drop_mapping('other', 'opcua')$$, 'a rule for OPC UA');

-- ---- what nodes read
SELECT lives_ok($$SELECT holdfast.set_mapping('plant', 'a-last', 'constant', property => 'site', value => '"north"', rank => 5);
                  SELECT holdfast.set_mapping('plant', 'first', 'drop', '/x', devices => 'press-*', modules => '', rank => -1);
                  SELECT holdfast.set_mapping('other', 'number', 'constant', property => 'n', value => '9007199254740993')$$,
                'more rules');
\ir fixtures/demo.sql
SELECT results_eq($$SELECT r ->> 'fleet', r ->> 'name', r ->> 'value'
                      FROM jsonb_array_elements(holdfast.configuration('00000000-0000-0000-0000-000000000901') -> 'mappings')
                           WITH ORDINALITY AS e (r, place) ORDER BY place$$,
                  $$VALUES ('other', 'number', '9007199254740993'), ('plant', 'first', NULL), ('plant', 'flat', NULL),
                           ('plant', 'rpm', NULL), ('plant', 'types', NULL), ('plant', 'a-last', '"north"')$$,
                  'the rules in the order in which they decide');

-- ---- what is explained
SELECT holdfast.set_fleet('plant', 'd', thing_template => 'p-{device}', device_pattern => '^press');
SELECT holdfast.bind_device('plant', 'oven', 'kitchen.oven');
SELECT results_eq($$SELECT fleet_name, thing, binding, configuration = holdfast.configuration('00000000-0000-0000-0000-000000000901') - 'log_level'
                      FROM holdfast.explain_device('oven')$$,
                  $$VALUES ('plant', 'kitchen.oven', 'bound by an administrator', true)$$, 'a row, found by its fleet');
SELECT results_eq($$SELECT thing, binding FROM holdfast.explain_device('press-1', 'm', 'plant')$$,
                  $$VALUES ('p-press-1:m', 'not seen yet; the fleet''s rule p-{device} will bind it')$$, 'what will be bound');
SELECT results_eq($$SELECT thing, binding FROM holdfast.explain_device('saw', fleet => 'plant')$$,
                  $$VALUES (NULL, 'device_pattern does not match')$$, 'what will not');
SELECT is((SELECT count(*) FROM holdfast.bindings WHERE device IN ('press-1', 'saw')), 0::bigint, 'nothing is bound by it');
SELECT throws_ok($$SELECT holdfast.explain_device('press-1')$$, '22023', 'the fleet of device ''press-1'' is not known',
                 'of several fleets one must be named');
SELECT throws_ok($$SELECT holdfast.explain_device('press-1', fleet => 'nowhere')$$, '22023', NULL, 'and one that is there');

-- ---- how many
SELECT lives_ok($$SELECT holdfast.set_mapping('other', 'way-' || i, 'drop', '/x', devices => 'd' || i)
                    FROM generate_series(1, 63) AS i$$, '64 ways to choose events');
SELECT throws_ok($$SELECT holdfast.set_mapping('other', 'too-many', 'drop', '/x', devices => 'd64')$$, '22023',
                 'fleet ''other'' has too many mapping rules', 'and no more');
SELECT lives_ok($$SELECT holdfast.set_mapping('other', 'same-way', 'drop', '/y', devices => 'd63')$$, 'a rule that shares one');

-- ---- dropped
SELECT ok(holdfast.drop_mapping('plant', 'rpm'), 'a rule is dropped');
SELECT ok(NOT holdfast.drop_mapping('plant', 'rpm'), 'once');
SELECT lives_ok($$SELECT holdfast.drop_fleet('other')$$, 'a fleet');
SELECT is((SELECT count(*) FROM holdfast.mappings WHERE fleet = 'other'), 0::bigint, 'goes with its rules');

SELECT * FROM finish();
ROLLBACK;
