-- What a node reads of the configuration, and taking it all down again.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/demo.sql
SELECT throws_ok($$SELECT holdfast.configuration('00000000-0000-0000-0000-000000000999')$$, 'HF002',
                 NULL, 'an unknown key reads nothing');
SELECT holdfast.configuration(:key1) AS c \gset
SELECT is((:'c'::jsonb ->> 'version')::bigint, (SELECT value FROM holdfast.version WHERE what = 'config'),
          'the version');
SELECT is(:'c'::jsonb #>> '{hubs,0,connection_secret}', 'demo-hub', 'hubs');
SELECT is(:'c'::jsonb #> '{hubs,0,proxy}', 'null', 'without a proxy');
SELECT is(:'c'::jsonb #> '{hubs,0,start_ms}', 'null', 'without a time to start at');
SELECT holdfast.set_hub('demo', 'demo', 'demo-hub', 'holdfast', '2026-11-21 08:00+00', proxy => 'proxy:3128') \gset _
SELECT is(holdfast.configuration(:key1) #>> '{hubs,0,start_ms}', '1795248000000', 'a time is told in milliseconds');
SELECT is(holdfast.configuration(:key1) #>> '{hubs,0,proxy}', 'proxy:3128', 'and a proxy');
SELECT holdfast.set_hub('demo', 'demo', 'demo-hub', 'holdfast', 'sequence:4711') \gset _
SELECT holdfast.configuration(:key1) #> '{hubs,0}' AS h \gset
SELECT is(:'h'::jsonb #> '{start_sequence}', '4711', 'a sequence number as a number');
-- A node of the version before looks at the first letter of start_at and at start_ms.
SELECT ok(:'h'::jsonb ->> 'start_at' !~ '^l' AND :'h'::jsonb -> 'start_ms' = 'null',
          'for which an older node begins at the earliest event: it reads too much, not too little');
SELECT holdfast.set_hub('demo', 'demo', 'demo-hub', 'holdfast') \gset _
SELECT is(:'c'::jsonb #>> '{fleets,0,thing_template}', '{device}', 'fleets');
SELECT is(:'c'::jsonb #>> '{destinations,0,base_urls,0}', 'http://127.0.0.1:1/Thingworx', 'destinations');
SELECT is(:'c'::jsonb #> '{settings,ttl_ms}', '5000', 'settings, numbers as numbers');
SELECT is(:'c'::jsonb #>> '{settings,history_retention}', '90 days', 'and intervals as text');

SELECT throws_ok($$SELECT holdfast.set_hub('demo', 'demo', 'demo-hub', 'holdfast', enabled => false);
                   SELECT holdfast.drop_hub('demo')$$, '55006', 'hub ''demo'' is in use',
                 'a hub of which nodes own partitions stays');
SELECT lives_ok($$UPDATE holdfast.partition SET owner_session_id = NULL, state = 'free' WHERE hub = 'demo';
                  SELECT holdfast.set_hub('demo', 'demo', 'demo-hub', 'holdfast', enabled => false);
                  SELECT holdfast.drop_hub('demo')$$, 'a hub that was given back goes');
SELECT is((SELECT count(*) FROM holdfast.partition WHERE hub = 'demo'), 0::bigint, 'with its partitions');
SELECT is((SELECT count(*) FROM holdfast.binding), 0::bigint, 'no binding yet');
SELECT lives_ok($$SELECT holdfast.bind_device('demo', 'd1', 'Thing1');
                  SELECT holdfast.drop_fleet('demo'); SELECT holdfast.drop_destination('thingworx')$$,
                'then its fleet, with its bindings, and the destination');
SELECT is((SELECT array_agg(message ORDER BY event_id) FROM holdfast.events WHERE kind = 'config'),
          ARRAY['destination set', 'fleet set', 'hub set', 'hub set', 'hub set', 'hub set', 'hub set', 'hub dropped', 'fleet dropped',
                'destination dropped'], 'the event log has it all');

SELECT is((SELECT version FROM holdfast.schema_version()),
          (SELECT max(version) FROM holdfast.schema_migration), 'schema_version: the migration');
SELECT matches((SELECT digest FROM holdfast.schema_version()), '^[0-9a-f]{64}$', 'and the digest');

SELECT * FROM finish();
ROLLBACK;
