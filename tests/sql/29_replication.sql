-- What diagnose() says of standbys. That they stream is shown by tests/system/test_failover_database.py.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
SELECT is_empty('SELECT * FROM holdfast.diagnose_replication()', 'without standbys there is nothing to say');
SELECT pg_create_physical_replication_slot('tap_standby') \gset _
SELECT is_empty('SELECT * FROM holdfast.diagnose_replication()', 'a slot that nobody has used yet keeps nothing');
SELECT pg_drop_replication_slot('tap_standby') \gset _
SELECT pg_create_physical_replication_slot('tap_standby', true) \gset _
SELECT results_eq($$SELECT severity, subject, error FROM holdfast.diagnose_replication()$$,
                  $$VALUES ('warning', 'replication slot tap_standby', 'Its standby is not connected')$$,
                  'a standby that is away, for which WAL is kept');
SELECT is((SELECT count(*) FROM holdfast.diagnose() WHERE subject = 'replication slot tap_standby'), 1::bigint,
          'diagnose() says it too');
SELECT is_empty('SELECT * FROM holdfast.diagnose_replication() WHERE hint IS NULL OR detail IS NULL', 'why, and what to do');
SELECT pg_drop_replication_slot('tap_standby') \gset _
SELECT * FROM finish();
ROLLBACK;
