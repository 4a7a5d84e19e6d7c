-- How much nodes log for a while: for one, for all, and back.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/members.sql
SELECT pg_temp.member(1), pg_temp.member(2) \gset _
CREATE FUNCTION pg_temp.told(n int) RETURNS jsonb LANGUAGE sql AS
    $$ SELECT holdfast.configuration(s.session_key) -> 'log_level' FROM holdfast.session s WHERE s.node = 'n' || n AND s.ended_at IS NULL $$;
CREATE FUNCTION pg_temp.level(n int) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.told(n) ->> 'level' $$;
CREATE FUNCTION pg_temp.id(n int) RETURNS bigint LANGUAGE sql AS $$ SELECT (pg_temp.told(n) ->> 'id')::bigint $$;
SELECT is(pg_temp.told(1), 'null'::jsonb, 'nothing is asked');

SELECT throws_ok($$SELECT holdfast.set_log_level('none', 'debug')$$, '22023', NULL, 'no such node');
SELECT throws_ok($$SELECT holdfast.set_log_level('n1', 'loud')$$, '22023', 'There is no log level "loud"', 'no such level');
SELECT throws_ok($$SELECT holdfast.set_log_level('n1', 'debug', '0')$$, '22023', NULL, 'for no time');
SELECT throws_ok($$SELECT holdfast.set_log_level('n1', 'debug', '8 days')$$, '22023', NULL, 'for too long');
SELECT throws_ok($$SELECT holdfast.set_log_level('n1', 'debug', NULL)$$, '22023', 'A log level cannot last for ever', 'for ever');

SELECT value AS version FROM holdfast.version WHERE what = 'config' \gset
SELECT holdfast.set_log_level('n1', 'debug') AS until \gset
SELECT ok(:'until'::timestamptz BETWEEN clock_timestamp() + interval '14 minutes' AND clock_timestamp() + interval '15 minutes',
          'a quarter of an hour, if nothing else is said');
SELECT cmp_ok((SELECT value FROM holdfast.version WHERE what = 'config'), '>', :version::bigint, 'nodes are told');
SELECT is(pg_temp.level(1), 'debug', 'the node hears of it');
SELECT ok((pg_temp.told(1) ->> 'remaining_ms')::int BETWEEN 800000 AND 900000, 'and for how long, not until when');
SELECT is(pg_temp.level(2), NULL, 'another one does not');
SELECT is((SELECT count(*) FROM holdfast.events WHERE message = 'An administrator set how much is logged' AND node = 'n1'), 1::bigint, 'it is an event');

SELECT pg_temp.id(1) AS first \gset
SELECT holdfast.set_log_level('n1', 'debug', '1 hour') \gset _
SELECT cmp_ok(pg_temp.id(1), '>', :first::bigint, 'the same again is another wish');
SELECT holdfast.set_log_level(NULL, 'warning', '1 hour') \gset _
SELECT is(pg_temp.level(1) || pg_temp.level(2), 'warningwarning', 'what was asked last counts, also for all');
SELECT holdfast.set_log_level('n2', 'error', '1 hour') \gset _
SELECT is(pg_temp.level(1) || pg_temp.level(2), 'warningerror', 'and for one of them after that');
SELECT is(holdfast.set_log_level('n2', NULL), NULL, 'back at once');
SELECT is(pg_temp.told(2), 'null'::jsonb, 'to what it was started with, whatever is asked of all');
SELECT is(pg_temp.level(1), 'warning', 'the others stay');
SELECT holdfast.set_log_level('n1', 'debug', '1 microsecond') \gset _
SELECT pg_sleep(0.001) \gset _
SELECT is(pg_temp.told(1), 'null'::jsonb, 'what is over is not told');

SELECT holdfast.set_log_level('n1', 'debug', '1 hour') \gset _
SELECT holdfast.report(s.session_key, '{"log_level": "info"}', '{}', '{}', '{}') FROM holdfast.session s WHERE s.node = 'n1' \gset _
SELECT is((SELECT string_agg(concat_ws(' ', node, level, asked, until > clock_timestamp(), set_by = session_user), ', ')
             FROM holdfast.log_levels), 'n1 info debug t t, n2', 'the view shows what is asked beside what is');
SELECT * FROM finish();
ROLLBACK;
