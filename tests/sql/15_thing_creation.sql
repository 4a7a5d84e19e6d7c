-- Creation of missing Things: off unless set, checked on entry, seen by nodes.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
CREATE FUNCTION pg_temp.version_of(text) RETURNS bigint LANGUAGE sql
AS 'SELECT value FROM holdfast.version WHERE what = $1';
CREATE FUNCTION pg_temp.seen() RETURNS jsonb LANGUAGE sql
AS $$SELECT holdfast.configuration_rows() -> 'fleets' -> 0 -> 'creation'$$;
SELECT holdfast.set_destination('d', ARRAY['http://a/Thingworx'], 'k');
SELECT holdfast.set_fleet('plant', 'd');

SELECT is(pg_temp.seen(), 'null', 'off unless set');
SELECT throws_ok($$SELECT holdfast.set_thing_creation('nowhere', 'T')$$, '22023', 'there is no fleet ''nowhere''',
                 'it needs its fleet');
SELECT throws_ok(format('SELECT holdfast.set_thing_creation(''plant'', %s)', arguments), '22023', NULL,
                 'refused: ' || arguments)
  FROM unnest(ARRAY['''''', ''' T''', 'E''T\n''', '''T'', ''''', 'repeat(''T'', 257)', '''T'', '' p''']) AS arguments;
SELECT is_empty('SELECT * FROM holdfast.thing_creations', 'nothing of that was kept');

SELECT pg_temp.version_of('config') AS before \gset
SELECT lives_ok($$SELECT holdfast.set_thing_creation('plant', NULL)$$, 'ending what never began');
SELECT is(pg_temp.version_of('config'), :before::bigint, 'wakes no node');
SELECT holdfast.set_thing_creation('plant', 'RemoteThing', 'P');
SELECT is(pg_temp.version_of('config'), :before::bigint + 1, 'a template is seen by the nodes');
SELECT is(pg_temp.seen() - 'updated_at', '{"fleet": "plant", "template": "RemoteThing", "project": "P"}', 'as given');
SELECT holdfast.set_thing_creation('plant', 'RemoteThing', 'P');
SELECT is(pg_temp.version_of('config'), :before::bigint + 1, 'the same again wakes no node');
SELECT holdfast.set_thing_creation('plant', 'GenericThing');
SELECT results_eq('SELECT fleet, template, project FROM holdfast.thing_creations',
                  $$VALUES ('plant' COLLATE "C", 'GenericThing', NULL)$$, 'another one');
SELECT holdfast.set_thing_creation('plant', NULL);
SELECT is(pg_temp.seen(), 'null', 'off again');
SELECT is(pg_temp.version_of('config'), :before::bigint + 3, 'and seen');
SELECT * FROM finish();
ROLLBACK;
