-- Arguments that are longer, or more, than anybody means: administrators are told; what devices and hubs
-- make up is cut, because a dead letter that cannot be written would hold its partition up for ever.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/demo.sql
CREATE FUNCTION pg_temp.long(bytes int, seed text DEFAULT '') RETURNS text LANGUAGE sql
RETURN (SELECT left(string_agg(md5(seed || i), ''), bytes) FROM generate_series(1, bytes / 32 + 1) AS i);

-- ---- what devices make up; of random letters, as a compressed text would still fit
CREATE FUNCTION pg_temp.keep(key uuid, partition_id int, sequence bigint, device text, property text) RETURNS bigint
LANGUAGE sql AS $$
    SELECT holdfast.keep_dead_letters($1, ARRAY[$2, $2], ARRAY[1001, 1001], ARRAY[$4, $4], ARRAY[$4, ''],
        ARRAY['o', 'o'], ARRAY[$3, $3], ARRAY[1, 1], ARRAY['refused', 'refused'], ARRAY[pg_temp.long(100000), ''],
        ARRAY[$5, $5 || 'x'], ARRAY['a'::bytea, 'b'], ARRAY[0, 0], ARRAY['{}', '{}']::jsonb[]) $$;
SELECT is(pg_temp.keep(:key1, :p0, 70, 'd7', pg_temp.long(1000000)), 2::bigint, 'values of long names are kept');
SELECT is(pg_temp.keep(:key1, :p0, 71, pg_temp.long(1000000), ''), 2::bigint, 'and those of devices with long names');
SELECT is((SELECT count(DISTINCT (sequence, property)) FROM holdfast.dead_letters WHERE sequence IN (70, 71)), 4::bigint,
          'none takes the place of another');
SELECT is(pg_temp.keep(:key1, :p0, 70, 'd7', pg_temp.long(1000000)), 2::bigint, 'what is there is found again');
SELECT is((SELECT count(*) FROM holdfast.dead_letters WHERE sequence = 70), 2::bigint, 'and not kept twice');
SELECT ok((SELECT max(octet_length(device) + octet_length(module)) FROM holdfast.dead_letters) < 2000
      AND (SELECT max(octet_length(property)) FROM holdfast.dead_letters) <= 1024
      AND (SELECT max(length(detail)) FROM holdfast.dead_letters) = 4096, 'what is stored is short');
SELECT is((SELECT property FROM holdfast.dead_letters WHERE sequence = 70 ORDER BY property LIMIT 1) ~ '^[0-9a-f]{200}[.]{3}[0-9a-f]{64}$',
          true, 'and still says how it began');
SELECT is(pg_temp.keep(:key1, :p0, 72, repeat('ä', 512), repeat('ä', 512)), 2::bigint, 'bytes count, not letters');
SELECT is((SELECT property FROM holdfast.dead_letters WHERE sequence = 72 AND length(property) = 512), repeat('ä', 512),
          'and what fits is as it was');

-- ---- what nodes say for people
SELECT lives_ok(format('SELECT holdfast.report_event(%L, repeat(%L, 1000), pg_temp.long(10000), pg_temp.long(10000),
                        pg_temp.long(10000), pg_temp.long(10000))', :key1, 'k'), 'a node that talks much is cut short');
SELECT ok((SELECT max(length(kind)) = 64 AND max(length(message)) = 1024 AND max(length(detail)) = 4096
             FROM holdfast.events), 'in every part');
SELECT throws_ok(format('SELECT holdfast.report(%L, jsonb_build_object(%L, pg_temp.long(1100000)), %L, %L, %L)', :key1, 'a',
                        '{}', '{}', '{}'), '22023', 'report() was called with arguments that do not fit together',
                 'a report is a megabyte at most');

-- ---- what administrators give
SELECT throws_ok(call, '22023', says, says)
  FROM (VALUES ($$SELECT holdfast.set_fleet('f', 'thingworx', thing_template => '{device}' || repeat('x', 300))$$, 'thing_template is too long'),
               ($$SELECT holdfast.set_fleet('f', 'thingworx', thing_template => '{device}{device}{device}')$$, 'thing_template names a part more than twice'),
               ($$SELECT holdfast.set_fleet('f', 'thingworx', device_pattern => repeat('x', 1025))$$, 'device_pattern is too long'),
               ($$SELECT holdfast.set_fleet('f', 'thingworx', time_member => repeat('x', 257))$$, 'time_member is too long'),
               ($$SELECT holdfast.bind_device('demo', repeat('x', 513), 't')$$, 'a device is too long'),
               ($$SELECT holdfast.bind_device('demo', 'd', repeat('x', 1025))$$, 'a Thing is too long'),
               ($$SELECT holdfast.bind_device('demo', 'd', 't', repeat('x', 513))$$, 'a module is too long'),
               ($$SELECT holdfast.set_destination('demo', ARRAY['http://' || repeat('x', 3000) || '/Thingworx'], 'k')$$, 'a base URL is too long'))
       AS x (call, says);
-- A Thing of the longest names that a node asks for fits into its index.
SELECT lives_ok($$SELECT holdfast.set_fleet('longest', 'thingworx', thing_template => '{device}{device}{module}{module}' || repeat('t', 220))$$,
                'the longest rule');
SELECT lives_ok(format('SELECT * FROM holdfast.resolve(%L, %L, ARRAY[pg_temp.long(500)], ARRAY[pg_temp.long(500, %L)])',
                       :key1, 'longest', 'm'), 'binds the longest names');

SELECT * FROM finish();
ROLLBACK;
