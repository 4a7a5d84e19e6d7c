-- Destinations, fleets and hubs: checked on entry, idempotent, seen by nodes.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();

CREATE FUNCTION pg_temp.version_of(text) RETURNS bigint LANGUAGE sql
AS 'SELECT value FROM holdfast.version WHERE what = $1';

-- ---- what is refused
SELECT throws_ok($$SELECT holdfast.set_destination(NULL, ARRAY['http://a/Thingworx'], 'k')$$, '22023',
                 'null is no name for a destination', 'a null name');
SELECT throws_ok($$SELECT holdfast.set_destination('a b', ARRAY['http://a/Thingworx'], 'k')$$, '22023',
                 '''a b'' is no name for a destination', 'a blank in a name');
SELECT throws_ok(format('SELECT holdfast.set_destination(''d'', %L, ''k'')', urls::text[]), '22023', NULL,
                 'base URLs are refused: ' || coalesce(urls, 'null'))
  FROM unnest(ARRAY[NULL, '{}', '{http://a}', '{a/Thingworx}', '{ftp://a/Thingworx}',
                    '{http://user:pw@a/Thingworx}', '{http://a/Thingworx?appKey=1}',
                    '{http://a/Thingworx/Things}', '{http:///Thingworx}', '{http://a/Thingworx,NULL}',
                    '{"http://a /Thingworx"}', '{http://a:0/Thingworx}', '{https://[::1]:65536/Thingworx}']) AS urls;
SELECT throws_ok(format('SELECT holdfast.set_destination(''d'', ARRAY[''http://a/Thingworx''], ''k'', %s)', more),
                 '22023', NULL, 'an argument of set_destination is refused: ' || more)
  FROM unnest(ARRAY[$$delivery => 'both'$$, 'delivery => NULL', 'max_rows_per_second => -1', 'failed_after_s => 0',
                    $$ca_secret => '../ca'$$, $$certificate_secret => '-x'$$, $$proxy => 'u:pw@proxy:3128'$$,
                    $$proxy => 'proxy'$$]) AS more;
SELECT throws_ok(format('SELECT holdfast.set_destination(''d'', ARRAY[''http://a/Thingworx''], %L)', secret),
                 '22023', NULL, 'app_key_secret is refused: ' || coalesce(secret, 'null'))
  FROM unnest(ARRAY[NULL, '', '../key', 'a b', '.hidden', '-x',
                    'Endpoint=sb://x/;SharedAccessKeyName=a;SharedAccessKey=b',
                    '0b1f9a2e-1111-2222-3333-444455556666']) AS secret;
SELECT throws_ok(format('SELECT holdfast.set_destination(''d'', ARRAY[''http://a/Thingworx''], ''k'', %s)', argument),
                 '22023', split_part(argument, ' ', 1) || ' is out of its range', 'range: ' || argument)
  FROM unnest(ARRAY['max_in_flight => 0', 'max_in_flight => 1025', 'max_in_flight => NULL',
                    'request_timeout_ms => 99', 'max_rows => 0', 'max_bytes => 1023',
                    'linger_ms => -1']) AS argument;
SELECT is((SELECT count(*) FROM holdfast.destination), 0::bigint, 'nothing of that was kept');

-- A secret in the wrong place is not repeated.
CREATE FUNCTION pg_temp.message_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE m text; d text; h text;
BEGIN
    EXECUTE statement;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RETURN concat_ws(' / ', m, d, h);
END $$;
SELECT unalike(pg_temp.message_of($$SELECT holdfast.set_destination('d', ARRAY['http://a/Thingworx'],
                                    'SharedAccessKey=hunter2')$$), '%hunter2%', 'a secret is not repeated');
SELECT unalike(pg_temp.message_of($$SELECT holdfast.set_destination('d', ARRAY['http://u:hunter2@a/Thingworx'],
                                    'k')$$), '%hunter2%', 'nor a password in a URL');

-- ---- destination
SELECT lives_ok($$SELECT holdfast.set_destination('thingworx',
                  ARRAY['https://a.example.com:8443/Thingworx/', 'http://[::1]/apps/Thingworx',
                        'https://a.example.com:8443/Thingworx'], 'thingworx-app-key')$$, 'a destination');
SELECT results_eq($$SELECT base_urls, max_in_flight, request_timeout_ms, max_rows, max_bytes, linger_ms
                      FROM holdfast.destinations$$,
                  $$VALUES (ARRAY['https://a.example.com:8443/Thingworx', 'http://[::1]/apps/Thingworx'],
                            16, 10000, 1000, 1048576, 0)$$,
                  'its URLs have one form, and the defaults hold');
SELECT pg_temp.version_of('config') AS before \gset
SELECT lives_ok($$SELECT holdfast.set_destination('thingworx',
                  ARRAY['https://a.example.com:8443/Thingworx', 'http://[::1]/apps/Thingworx'],
                  'thingworx-app-key')$$, 'the same again');
SELECT is(pg_temp.version_of('config'), :before::bigint, 'changes nothing, and wakes no node');
SELECT lives_ok($$SELECT holdfast.set_destination('thingworx', ARRAY['http://b/Thingworx'],
                  'thingworx-app-key', max_rows => 500)$$, 'a change');
SELECT is(pg_temp.version_of('config'), :before::bigint + 1, 'is seen by the nodes');
SELECT is((SELECT max_rows FROM holdfast.destinations), 500, 'and takes effect');

SELECT lives_ok($$SELECT holdfast.set_destination('ways', ARRAY['https://a/Thingworx'], 'k', delivery => 'per_thing',
                  adaptive => false, max_rows_per_second => 5, failed_after_s => 60, ca_secret => 'ca',
                  certificate_secret => 'cert', proxy => 'http://proxy:3128/')$$, 'a destination by other ways');
SELECT results_eq($$SELECT delivery, adaptive, max_rows_per_second, failed_after_s, ca_secret, certificate_secret, proxy
                      FROM holdfast.destinations WHERE name = 'ways'$$,
                  $$VALUES ('per_thing', false, 5, 60, 'ca', 'cert', 'proxy:3128')$$, 'as its view says');
SELECT lives_ok($$SELECT holdfast.restart_destination('ways')$$, 'it is restarted');
SELECT is((SELECT restarts FROM holdfast.destination WHERE name = 'ways'), 1::bigint, 'which nodes notice');
SELECT throws_ok($$SELECT holdfast.restart_destination('none')$$, 'P0002', $$there is no destination 'none'$$, 'but not one that is not there');
SELECT lives_ok($$SELECT holdfast.drop_destination('ways')$$, 'and dropped');

-- ---- fleet
SELECT throws_ok($$SELECT holdfast.set_fleet('demo', 'nowhere')$$, '22023',
                 'there is no destination ''nowhere''', 'a fleet needs its destination');
SELECT throws_ok(format('SELECT holdfast.set_fleet(''demo'', ''thingworx'', %s)', argument), '22023', NULL,
                 'rule refused: ' || argument)
  FROM unnest(ARRAY['thing_template => NULL', 'thing_template => ''''', 'thing_template => ''all''',
                    'thing_template => ''{device}-{site}''', 'auto_bind => NULL',
                    'device_pattern => ''(''', 'device_pattern => ''''', 'time_member => '''''])
       AS argument;
SELECT lives_ok($$SELECT holdfast.set_fleet('demo', 'thingworx')$$, 'a fleet');
SELECT lives_ok($$SELECT holdfast.set_fleet('demo', 'thingworx')$$, 'again');
SELECT results_eq($$SELECT name, destination, thing_template, auto_bind, device_pattern, time_member,
                           hubs FROM holdfast.fleets$$,
                  $$VALUES ('demo'::text COLLATE "C", 'thingworx'::text COLLATE "C", '{device}', true,
                            NULL::text, NULL::text, ARRAY[]::text[] COLLATE "C")$$, 'as its view says');

-- ---- hub
SELECT throws_ok(format('SELECT holdfast.set_hub(%s)', arguments), '22023', NULL, 'refused: ' || arguments)
  FROM unnest(ARRAY[$$'h', 'nofleet', 's', 'g'$$, $$'h', NULL, 's', 'g'$$, $$'h', 'demo', 's', ''$$,
                    $$'h', 'demo', 's', NULL$$, $$'h', 'demo', 's', 'a/b'$$, $$'h', 'demo', '', 'g'$$,
                    $$'h', 'demo', NULL, 'g'$$, $$'', 'demo', 's', 'g'$$, $$NULL, 'demo', 's', 'g'$$,
                    $$'h', 'demo', 's', 'g', 'yesterday'$$, $$'h', 'demo', 's', 'g', NULL$$,
                    $$'h', 'demo', 's', 'g', enabled => NULL$$, $$'h', 'demo', 's', 'g', '2026-13-01'$$,
                    $$'h', 'demo', 's', 'g', on_new_log => 'stop'$$, $$'h', 'demo', 's', 'g', on_new_log => NULL$$,
                    $$'h', 'demo', 's', 'g', on_invalid_offset => 'ask'$$,
                    $$'h', 'demo', 's', 'g', ca_secret => ''$$,
                    $$'h', 'demo', 's', 'g', 'sequence:'$$, $$'h', 'demo', 's', 'g', 'sequence:-1'$$,
                    $$'h', 'demo', 's', 'g', 'sequence: 1'$$, $$'h', 'demo', 's', 'g', 'sequence:9223372036854775808'$$,
                    $$'h', 'demo', 's', 'g', proxy => ''$$, $$'h', 'demo', 's', 'g', proxy => 'proxy'$$,
                    $$'h', 'demo', 's', 'g', proxy => 'proxy:0'$$, $$'h', 'demo', 's', 'g', proxy => 'proxy:65536'$$,
                    $$'h', 'demo', 's', 'g', proxy => 'https://proxy:3128'$$, $$'h', 'demo', 's', 'g', proxy => 'a b:3128'$$,
                    $$'h', 'demo', 's', 'g', proxy => 'fd00::1:3128'$$,
                    $$'h', 'demo', 'Endpoint=sb://x;SharedAccessKey=y', 'g'$$]) AS arguments;
SELECT unalike(pg_temp.message_of($$SELECT holdfast.set_hub('h', 'demo', 's', 'g', proxy => 'u:hunter2@proxy:3128')$$),
               '%hunter2%', 'nor a password of a proxy');
SELECT lives_ok($$SELECT holdfast.set_hub(name => 'demo', fleet => 'demo',
                  connection_secret => 'demo-hub', consumer_group => 'holdfast')$$, 'a hub');
SELECT pg_temp.version_of('config') AS before \gset
SELECT lives_ok($$SELECT holdfast.set_hub('demo', 'demo', 'demo-hub', 'holdfast')$$, 'again');
SELECT is(pg_temp.version_of('config'), :before::bigint, 'changes nothing');
SELECT throws_ok($$SELECT holdfast.set_hub('twin', 'demo', 'demo-hub', 'holdfast')$$, '22023',
                 'hub ''demo'' already reads that log with that consumer group',
                 'two readers of one consumer group are refused');
SELECT lives_ok($$SELECT holdfast.set_hub('other', 'demo', 'demo-hub', 'second')$$,
                'another consumer group is not');
SELECT lives_ok($$SELECT holdfast.set_hub('timed', 'demo', 'timed-hub', 'g', '2026-11-21 09:00+01',
                  on_new_log => 'latest', on_invalid_offset => 'earliest', ca_secret => 'lab-ca')$$,
                'a hub that begins at a time, with policies and its own authorities');
SELECT results_eq($$SELECT start_at, on_new_log, on_invalid_offset, ca_secret FROM holdfast.hubs WHERE name = 'timed'$$,
                  $$VALUES ('2026-11-21T08:00:00.000Z', 'latest', 'earliest', 'lab-ca')$$, 'as its view says');
SELECT results_eq($$SELECT on_new_log, on_invalid_offset FROM holdfast.hubs WHERE name = 'demo'$$,
                  $$VALUES ('earliest', 'stop')$$, 'without a word, a new log is read whole and an invalid offset stops');
SELECT lives_ok($$SELECT holdfast.set_hub('timed', 'demo', 'timed-hub', 'g', 'sequence:0042',
                  proxy => 'http://proxy.example.com:3128/')$$, 'a hub that begins at a sequence number, behind a proxy');
SELECT results_eq($$SELECT start_at, proxy FROM holdfast.hubs WHERE name = 'timed'$$,
                  $$VALUES ('sequence:42', 'proxy.example.com:3128')$$, 'in one form, as its view says');
SELECT lives_ok($$SELECT holdfast.set_hub('timed', 'demo', 'timed-hub', 'g', proxy => '[fd00::1]:3128')$$,
                'a proxy by its address');
SELECT holdfast.set_hub('timed', 'demo', 'timed-hub', 'g', enabled => false), holdfast.drop_hub('timed') \gset _
SELECT results_eq($$SELECT name, fleet, destination, start_at, enabled, partitions FROM holdfast.hubs
                     ORDER BY name$$,
                  $$VALUES ('demo'::text COLLATE "C", 'demo'::text COLLATE "C",
                            'thingworx'::text COLLATE "C", 'earliest', true, 0::bigint),
                           ('other', 'demo', 'thingworx', 'earliest', true, 0)$$, 'as their view says');

-- ---- what is in use stays
SELECT throws_ok($$SELECT holdfast.drop_destination('thingworx')$$, '55006',
                 'destination ''thingworx'' is in use', 'a destination with fleets');
SELECT throws_ok($$SELECT holdfast.drop_fleet('demo')$$, '55006', 'fleet ''demo'' is in use',
                 'a fleet with hubs');
SELECT throws_ok($$SELECT holdfast.drop_hub('other')$$, '55006', 'hub ''other'' is in use',
                 'an enabled hub');
SELECT lives_ok($$SELECT holdfast.set_hub('other', 'demo', 'demo-hub', 'second', enabled => false);
                  SELECT holdfast.drop_hub('other')$$, 'a disabled one goes');
SELECT lives_ok($$SELECT holdfast.drop_hub('other'), holdfast.drop_fleet('none'),
                         holdfast.drop_destination('none')$$, 'dropping nothing does nothing');

SELECT * FROM finish();
ROLLBACK;
