-- Dead letters by week, and the ceiling of a device: nothing goes uncounted, nobody else is stopped.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/demo.sql

-- Letters of one device, with these sequence numbers.
CREATE FUNCTION pg_temp.file(key uuid, partition_id int, token bigint, device text, VARIADIC sequences bigint[])
RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(v.verdict, ' ')
      FROM (SELECT array_agg($2) AS ids, array_agg($3) AS tokens, array_agg($4) AS devices, array_agg(''::text) AS empty,
                   array_agg('o' || s) AS offsets, array_agg(1700000000000 + s) AS enqueued,
                   array_agg('refused'::text) AS reasons, array_agg(convert_to(s::text, 'UTF8')) AS payloads,
                   array_agg(1) AS attempts, array_agg('{}'::jsonb) AS contexts
              FROM unnest($5) AS s) AS a,
           holdfast.file_dead_letters($1, a.ids, a.tokens, a.devices, a.empty, a.offsets, $5, a.enqueued,
                                      a.reasons, a.empty, a.empty, a.payloads, a.attempts, a.contexts) AS v $$;
CREATE FUNCTION pg_temp.findings(what text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM holdfast.diagnose() WHERE error LIKE what $$;

-- ---- the ceiling
SELECT holdfast.set_setting('dead_letter_ceiling', '3') \gset _
SELECT is(pg_temp.file(:key1, :p0, 1001, 'd', 1, 2), 'kept kept', 'below the ceiling letters are kept');
SELECT is(pg_temp.file(:key1, :p0, 1001, 'd', 5, 4, 1), 'held kept kept',
          'at the ceiling the latest is held back; what is there already is kept');
SELECT is((SELECT array_agg(sequence ORDER BY sequence) FROM holdfast.dead_letters), ARRAY[1, 2, 4]::bigint[], 'and not stored');
SELECT is(pg_temp.file(:key1, :p0, 1001, 'other', 6), 'kept', 'another device goes on');
SELECT is(pg_temp.file(:key2, :p1, 1002, 'd', 1), 'held', 'the ceiling is for the device, whatever its partition');
SELECT is(pg_temp.file(:key1, :p0, 1000, 'd', 7), 'stale', 'a stale token is told');
SELECT results_eq($$SELECT concat_ws('|', partition, held_device, held_since IS NOT NULL, pause_reason, state) COLLATE "default"
                      FROM holdfast.partitions ORDER BY partition$$,
                  $$VALUES ('0|d|t|device d has 3 dead letters|owned'), ('1|d|t|device d has 3 dead letters|owned')$$,
                  'the view of partitions says so');
SELECT is((SELECT partitions_held FROM holdfast.status), 2::bigint, 'and the status');
SELECT is((SELECT count(*) FROM holdfast.events WHERE kind = 'dead letters' AND subject = 'partition demo/0'), 1::bigint, 'an event is written');
SELECT is(pg_temp.file(:key1, :p0, 1001, 'd', 5), 'held', 'held again');
SELECT is((SELECT count(*) FROM holdfast.events WHERE kind = 'dead letters' AND subject = 'partition demo/0'), 1::bigint, 'but once');
SELECT is(pg_temp.findings('%too many dead letters%'), 2::bigint, 'diagnose() finds both');
SELECT is(holdfast.keep_dead_letters(:key1, ARRAY[:p0], ARRAY[1001], ARRAY['d'], ARRAY[''], ARRAY['o'], ARRAY[8], ARRAY[1], ARRAY['refused'],
              ARRAY[''], ARRAY[''], ARRAY[''::bytea], ARRAY[0], ARRAY['{}']::jsonb[]), 1::bigint,
          'a node of the version before knows of no ceiling');
SELECT is(holdfast.discard_dead_letters(device => 'd', until => 'infinity'), 4::bigint, 'discarded');
SELECT is(pg_temp.file(:key1, :p0, 1001, 'd', 5), 'kept', 'it goes on by itself');
SELECT is((SELECT held_since FROM holdfast.partitions WHERE partition = '0'), NULL, 'and is paused no more');
SELECT is((SELECT partitions_held FROM holdfast.status), 1::bigint, 'the other one until its node comes again');
SELECT is((SELECT count(*) FROM holdfast.events WHERE kind = 'dead letters' AND message LIKE '%goes on%'), 1::bigint, 'an event says so');
UPDATE holdfast.partition SET token = 1005 WHERE partition_id = :p1;
SELECT is((SELECT partitions_held FROM holdfast.status), 0::bigint, 'a hold ends with the grant');
SELECT is(holdfast.tend_dead_letters() >= 0, true, 'housekeeping');
SELECT is_empty('SELECT * FROM holdfast.dead_letter_hold', 'forgets it');

-- ---- policies
SELECT throws_ok($$SELECT holdfast.set_dead_letter_policy('eat')$$, '22023', 'there is no policy ''eat''', 'no such policy');
SELECT throws_ok($$SELECT holdfast.set_dead_letter_policy('drop', 0)$$, '22023', NULL, 'no ceiling');
SELECT throws_ok($$SELECT holdfast.set_dead_letter_policy('drop', fleet => 'x')$$, '22023', 'there is no fleet ''x''', 'no such fleet');
SELECT throws_ok($$SELECT holdfast.set_dead_letter_policy('drop', device_pattern => '(')$$, '22023', NULL, 'no pattern');
SELECT lives_ok($$SELECT holdfast.set_dead_letter_policy('drop', 2, device_pattern => '^noisy');
                  SELECT holdfast.set_dead_letter_policy('drop', 1, 'demo', '^noisy');
                  SELECT holdfast.set_dead_letter_policy('pause', 5, 'demo')$$, 'policies');
SELECT results_eq($$SELECT d, (holdfast.dead_letter_policy_of('demo', d)).* FROM unnest(ARRAY['noisy1', 'quiet']) AS d
                    UNION ALL SELECT d, (holdfast.dead_letter_policy_of('other', d)).* FROM unnest(ARRAY['noisy1', 'quiet']) AS d$$,
                  $$VALUES ('noisy1', 'drop', 1), ('quiet', 'pause', 5), ('noisy1', 'drop', 2), ('quiet', 'pause', 3)$$,
                  'what is nearest to the device counts');
SELECT is((SELECT count(*) FROM holdfast.dead_letter_policies), 4::bigint, 'with the one that nobody set');
SELECT is(pg_temp.file(:key1, :p0, 1001, 'noisy1', 20, 21, 22), 'kept dropped dropped', 'above the ceiling it is dropped');
SELECT is(pg_temp.file(:key1, :p0, 1001, 'noisy1', 23), 'dropped', 'still');
SELECT is((SELECT concat_ws('|', fleet, device, cause, letters) FROM holdfast.dead_letters_dropped),
          'demo|noisy1|ceiling|3', 'and counted');
SELECT is((SELECT dead_letters_dropped FROM holdfast.status), 3::bigint, 'the status has it');
SELECT is(pg_temp.findings('%have been dropped%'), 1::bigint, 'and diagnose()');
SELECT is((SELECT count(*) FROM holdfast.events WHERE subject = 'device noisy1'), 1::bigint, 'the first is an event');
SELECT lives_ok($$SELECT holdfast.set_dead_letter_policy('default', NULL, 'demo', '^noisy')$$, 'taken back');
SELECT is(pg_temp.file(:key1, :p0, 1001, 'noisy1', 23, 24), 'kept dropped', 'the next one counts');
SELECT lives_ok($$SELECT holdfast.drop_fleet('gone') FROM (SELECT holdfast.set_fleet('gone', 'thingworx'),
                         holdfast.set_dead_letter_policy('drop', 1, 'gone')) AS x$$, 'a fleet takes its policies along');

-- ---- weeks
SELECT is((SELECT count(*) FROM holdfast.dead_letter_weeks()
            WHERE ends_at > clock_timestamp() AND begins_at < clock_timestamp() + interval '28 days'), 5::bigint, 'partitions are made ahead');
SELECT is((SELECT count(*) FROM ONLY holdfast.dead_letter_default), 0::bigint, 'nothing is in the default one');
-- The leader was away: letters fell into the default partition.
SELECT count(*) AS letters FROM holdfast.dead_letter \gset
CREATE TEMP TABLE saved AS SELECT * FROM holdfast.dead_letter;
SELECT name AS week FROM holdfast.dead_letter_weeks() WHERE begins_at <= clock_timestamp() ORDER BY begins_at DESC LIMIT 1 \gset
SELECT lives_ok('DROP TABLE holdfast.' || :'week', 'this week''s partition is gone');
INSERT INTO holdfast.dead_letter SELECT * FROM saved;
SELECT is((SELECT count(*) FROM ONLY holdfast.dead_letter_default), :letters::bigint, 'letters are kept without one');
SELECT is(holdfast.make_dead_letter_weeks(), 1, 'it is made again');
SELECT is((SELECT count(*) FROM ONLY holdfast.dead_letter_default), 0::bigint, 'what was in the default one');
SELECT set_eq('SELECT * FROM holdfast.dead_letter', 'SELECT * FROM saved', 'has moved there as it was');
SELECT is(holdfast.make_dead_letter_weeks(), 0, 'then there is nothing to do');

-- ---- retention: weeks of a year ago
CREATE FUNCTION pg_temp.old_week(back interval) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    week constant timestamptz := date_trunc('week', clock_timestamp() - back, 'UTC');
    name constant text := 'dead_letter_' || to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD');
BEGIN
    EXECUTE format('CREATE TABLE holdfast.%I PARTITION OF holdfast.dead_letter FOR VALUES FROM (%L) TO (%L)', name, week, week + interval '168 hours');
    EXECUTE format('ALTER TABLE holdfast.%I OWNER TO holdfast_owner', name);
    RETURN name;
END $$;
SELECT pg_temp.old_week('52 weeks') AS settled, pg_temp.old_week('51 weeks') AS kept, pg_temp.old_week('50 weeks') AS late \gset
UPDATE holdfast.dead_letter SET created_at = created_at - interval '52 weeks' WHERE state = 'discarded';
UPDATE holdfast.dead_letter SET settled_at = created_at WHERE state = 'discarded';
UPDATE holdfast.dead_letter SET created_at = created_at - interval '51 weeks' WHERE device = 'noisy1';
UPDATE holdfast.dead_letter SET created_at = created_at - interval '50 weeks', state = 'replayed', settled_at = clock_timestamp() WHERE device = 'other';
SELECT is((SELECT count(*) FROM ONLY holdfast.dead_letter_default), 0::bigint, 'each in its week');
SELECT is((SELECT holdfast.tend_dead_letters() FROM (SELECT holdfast.tend_dead_letters()) AS x), 600, 'housekeeping, twice');
SELECT hasnt_table('holdfast', :'settled'::name, 'a week that is settled goes as a whole');
SELECT has_table('holdfast', :'kept'::name, 'one with kept letters stays');
SELECT has_table('holdfast', :'late'::name, 'so does one that was settled of late');
SELECT is(pg_temp.findings('%older than history_retention%'), 1::bigint, 'which diagnose() says');
SELECT throws_ok($$SELECT holdfast.set_setting('dead_letters_after_retention', 'burn')$$, '22023', NULL, 'no such choice');
SELECT holdfast.set_setting('dead_letters_after_retention', 'drop') \gset _
SELECT holdfast.replay_dead_letters(device => 'noisy1', since => '-infinity', until => 'infinity') AS asked \gset
SELECT is(holdfast.tend_dead_letters(), 600, 'what is to be replayed');
SELECT has_table('holdfast', :'kept'::name, 'is not dropped');
UPDATE holdfast.dead_letter SET state = 'kept' WHERE state = 'requested';
SELECT is(holdfast.tend_dead_letters(), 0, 'what only waits');
SELECT hasnt_table('holdfast', :'kept'::name, 'goes if that was said');
SELECT is((SELECT letters FROM holdfast.dead_letters_dropped WHERE cause = 'retention'), :asked::bigint, 'and is counted');
SELECT is((SELECT count(*) FROM holdfast.events WHERE message LIKE '%nobody had replayed or discarded'), 1::bigint, 'and said');

SELECT * FROM finish();
ROLLBACK;
