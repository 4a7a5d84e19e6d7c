-- Who may do what, over everything in the schema; and that everything says what it is.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/demo.sql

CREATE TEMP VIEW functions AS
    SELECT p.oid, p.proname::text AS name, p.oid::regprocedure::text AS signature,
           p.prosrc, p.prosqlbody, p.prosecdef, p.proconfig, p.proacl, p.proowner
      FROM pg_proc p WHERE p.pronamespace = 'holdfast'::regnamespace;
CREATE TEMP VIEW relations AS
    SELECT c.oid, c.oid::regclass::text AS full_name, c.relname::text AS name, c.relkind, c.relowner
      FROM pg_class c
     WHERE c.relnamespace = 'holdfast'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'S', 'f');

-- ---- functions
CREATE TEMP TABLE of_node (name) AS SELECT unnest(ARRAY[
    'join', 'leave', 'watch', 'sweep', 'assignment', 'poll', 'tend', 'report_hub', 'release', 'keep',
    'decline', 'abandon_offset', 'save_checkpoints', 'report', 'configuration', 'resolve', 'keep_dead_letters',
    'file_dead_letters', 'note_presence', 'presence_of',
    'claim_dead_letters', 'add_dead_letters', 'claim_replays', 'settle_replays', 'report_event', 'schema_version', 'schema_serves', 'deployment', 'status_page']);
CREATE TEMP TABLE of_admin (name) AS SELECT unnest(ARRAY[
    'set_destination', 'restart_destination', 'set_fleet', 'set_hub', 'drop_destination', 'drop_fleet', 'drop_hub', 'bind_device',
    'bind_devices', 'unbind_device', 'set_mapping', 'drop_mapping', 'set_heartbeat', 'drop_heartbeat', 'set_thing_creation', 'replay_dead_letters', 'discard_dead_letters', 'set_dead_letter_policy', 'prune_history', 'reset_checkpoint',
    'drain_node', 'undrain_node', 'move_partition', 'unpin_partition', 'set_capacity', 'set_log_level', 'pause_hub', 'resume_hub',
    'pause_partition', 'resume_partition', 'set_setting', 'schema_version']);
SELECT set_eq($$SELECT name FROM functions WHERE has_function_privilege('holdfast_node', oid, 'EXECUTE')$$,
              'SELECT name FROM of_node', 'a node may call the protocol, and nothing else');
-- What views call runs with the rights of who looks, so readers may call these: they only read.
CREATE TEMP TABLE of_reader (name) AS SELECT unnest(ARRAY[
    'schema_version', 'explain_device', 'diagnose', 'node_quotas', 'planned_moves', 'node_doubts', 'leader_at', 'owner_at',
    'what_happened']);
SELECT set_eq($$SELECT name FROM functions WHERE has_function_privilege('holdfast_admin', oid, 'EXECUTE')$$,
              'SELECT name FROM of_admin UNION SELECT name FROM of_reader',
              'an administrator may call the functions for administrators');
SELECT set_eq($$SELECT name FROM functions WHERE has_function_privilege('holdfast_reader', oid, 'EXECUTE')$$,
              'SELECT name FROM of_reader', 'a reader may call what only reads');
SELECT is_empty($$SELECT signature FROM functions f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) AS a
                   WHERE a.grantee = 0$$, 'PUBLIC may call nothing');
SELECT is_empty($$SELECT signature FROM functions WHERE proowner <> 'holdfast_owner'::regrole$$,
                'all functions belong to holdfast_owner');
-- Only what others may call runs with the owner's rights: what is internal is called by the owner, and would fail
-- for anybody else for want of rights on the tables, even if it were granted by mistake.
CREATE TEMP TABLE definer_all_the_same (name, reason) AS VALUES
    ('make_dead_letter_weeks', 'the tables that it makes belong to the owner, whoever calls it');
SELECT set_eq('SELECT name FROM functions WHERE prosecdef',
              'SELECT name FROM of_node UNION SELECT name FROM of_admin UNION SELECT name FROM of_reader
               UNION SELECT name FROM definer_all_the_same',
              'what others may call runs with the owner''s rights, and nothing else does');
SELECT is_empty($$SELECT signature FROM functions
                   WHERE prosqlbody IS NULL
                     AND NOT coalesce(proconfig @> ARRAY['search_path=holdfast, pg_catalog, pg_temp'], false)$$,
                'every function has its search path, or a body whose names were resolved when it was made');
SELECT is_empty('SELECT signature FROM functions WHERE prosecdef AND prosqlbody IS NOT NULL',
                'what runs with the owner''s rights has its search path in any case');
SELECT is_empty($$SELECT name FROM functions WHERE name IN (SELECT name FROM of_node)
                   GROUP BY name HAVING count(*) > 1$$, 'no function of the protocol has two signatures');

-- ---- tables, views, sequences
SELECT is_empty(format($$SELECT full_name FROM relations WHERE relkind <> 'S'
                   AND has_table_privilege(%L, oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')$$, r),
                r || ' has no right on any table or view')
  FROM unnest(ARRAY['holdfast_node', 'public']) AS r;
SELECT is_empty(format($$SELECT full_name FROM relations
                   WHERE CASE relkind WHEN 'S' THEN has_sequence_privilege(%L, oid, 'USAGE, SELECT, UPDATE') END$$, r),
                r || ' has no right on any sequence')
  FROM unnest(ARRAY['holdfast_node', 'holdfast_admin', 'holdfast_reader', 'public']) AS r;
SELECT is_empty(format($$SELECT full_name FROM relations WHERE relkind <> 'S'
                   AND has_table_privilege(%L, oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')$$, r),
                r || ' writes no table or view')
  FROM unnest(ARRAY['holdfast_admin', 'holdfast_reader']) AS r;
SELECT is_empty(format($$SELECT full_name FROM relations WHERE relkind NOT IN ('S', 'v')
                   AND (has_table_privilege(%L, oid, 'SELECT') OR has_any_column_privilege(%L, oid, 'SELECT'))$$, r, r),
                r || ' reads no table')
  FROM unnest(ARRAY['holdfast_admin', 'holdfast_reader', 'holdfast_node', 'public']) AS r;
SELECT is_empty(format($$SELECT full_name FROM relations WHERE relkind = 'v'
                   AND NOT has_table_privilege(%L, oid, 'SELECT')$$, r), r || ' reads all views')
  FROM unnest(ARRAY['holdfast_admin', 'holdfast_reader']) AS r;
SELECT is_empty($$SELECT full_name FROM relations WHERE relowner <> 'holdfast_owner'::regrole$$,
                'all of them belong to holdfast_owner');
-- All that readers see. A new view is looked at first: does it show more than they may know? Then it stands here.
SELECT set_eq($$SELECT name FROM relations WHERE relkind = 'v'$$, ARRAY[
    'bindings', 'connected_things', 'dead_letter_policies', 'dead_letters', 'dead_letters_dropped', 'destinations', 'doubts', 'events', 'fleets',
    'heartbeats', 'hubs', 'incarnations', 'leader', 'leader_history', 'mappings', 'nodes', 'log_levels', 'old_checkpoints', 'partition_history',
    'partitions', 'partitions_lagging', 'plan', 'settings', 'status', 'thing_creations', 'unbound_devices'],
    'these are the views');
SELECT is_empty($$SELECT full_name FROM relations WHERE relkind NOT IN ('r', 'v', 'p', 'S')$$,
                'there are tables, views and sequences, and nothing else to give rights on');
SELECT ok(NOT has_schema_privilege('public', 'holdfast', 'USAGE'), 'PUBLIC does not see the schema');
SELECT ok(NOT has_schema_privilege(r, 'holdfast', 'CREATE'), r || ' makes nothing in the schema')
  FROM unnest(ARRAY['holdfast_node', 'holdfast_admin', 'holdfast_reader', 'public']) AS r;

-- ---- what comes later, and the roles themselves
SELECT is_empty($$SELECT t.oid::regtype FROM pg_type t
                   WHERE t.typnamespace = 'holdfast'::regnamespace AND t.typtype IN ('c', 'd', 'e')
                     AND coalesce((SELECT c.relkind FROM pg_class c WHERE c.oid = t.typrelid), 'c') = 'c'
                     AND has_type_privilege('public', t.oid, 'USAGE')$$, 'PUBLIC uses no type');
SET ROLE holdfast_owner;
CREATE FUNCTION holdfast.made_by_hand() RETURNS int LANGUAGE sql RETURN 1;
CREATE TYPE holdfast.made_by_hand AS (a int);
CREATE TABLE holdfast.made_by_hand_too (a int);
RESET ROLE;
SELECT ok(NOT has_function_privilege(r, 'holdfast.made_by_hand()', 'EXECUTE'), r || ' may not call what a migration makes')
  FROM unnest(ARRAY['public', 'holdfast_node', 'holdfast_admin', 'holdfast_reader']) AS r;
SELECT ok(NOT has_type_privilege('public', 'holdfast.made_by_hand', 'USAGE')
      AND NOT has_table_privilege('public', 'holdfast.made_by_hand_too', 'SELECT'), 'nor is the rest of it PUBLIC''s');
DROP FUNCTION holdfast.made_by_hand();
DROP TYPE holdfast.made_by_hand;
DROP TABLE holdfast.made_by_hand_too;
SELECT is_empty($$SELECT rolname FROM pg_roles WHERE rolname ~ '^holdfast_(owner|node|admin|reader)$'
                   AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)$$,
                'the group roles cannot log in, and have no powers over the server');
SELECT set_eq($$SELECT m.roleid::regrole::text, m.member::regrole::text FROM pg_auth_members m
                 WHERE m.member::regrole::text IN ('holdfast_owner', 'holdfast_node', 'holdfast_admin', 'holdfast_reader')$$,
              $$VALUES ('pg_read_all_stats', 'holdfast_owner'), ('pg_signal_backend', 'holdfast_owner')$$,
              'only the owner is a member of anything: it sees and ends what is left of dead sessions');

-- ---- the session key
SELECT is_empty($$SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                   WHERE c.relnamespace = 'holdfast'::regnamespace AND c.relkind = 'v'
                     AND (a.attname ~ 'session_key' OR a.atttypid = 'holdfast.session'::regtype)$$,
                'no view has a column of session keys');

-- ---- comments, and errors in three parts
SELECT is_empty($$SELECT signature FROM functions WHERE coalesce(obj_description(oid, 'pg_proc'), '') = ''$$,
                'every function has a comment');
SELECT is_empty($$SELECT full_name FROM relations WHERE relkind <> 'S'
                   AND coalesce(obj_description(oid, 'pg_class'), '') = ''$$, 'every table and view has a comment');
SELECT is_empty($$SELECT signature FROM functions,
                         LATERAL (SELECT (SELECT count(*) FROM regexp_matches(prosrc, 'RAISE\s+(EXCEPTION|WARNING)', 'g')),
                                         (SELECT count(*) FROM regexp_matches(prosrc, '\mDETAIL\s*=', 'g')),
                                         (SELECT count(*) FROM regexp_matches(prosrc, '\mHINT\s*=', 'g')))
                                 AS n (raises, details, hints)
                   WHERE raises > details OR raises > hints$$, 'every error has a detail and a hint');

-- ---- in their shoes
SET ROLE holdfast_reader;
SELECT lives_ok(format('SELECT * FROM holdfast.%I LIMIT 1', viewname), 'a reader reads ' || viewname)
  FROM pg_views WHERE schemaname = 'holdfast' ORDER BY viewname;
SELECT is_empty(format('SELECT v FROM holdfast.%I AS v WHERE v::text LIKE ''%%000000000901%%''', viewname),
                'and finds no session''s key in ' || viewname)
  FROM pg_views WHERE schemaname = 'holdfast' ORDER BY viewname;
SELECT throws_ok('SELECT session_key FROM holdfast.session', '42501', NULL, 'a reader sees no key');
SELECT throws_ok($$SELECT holdfast.set_fleet('a', 'b')$$, '42501', NULL, 'and sets nothing');
RESET ROLE;
SET ROLE holdfast_admin;
SELECT lives_ok(format('SELECT * FROM holdfast.%I LIMIT 1', viewname), 'an administrator reads ' || viewname)
  FROM pg_views WHERE schemaname = 'holdfast' ORDER BY viewname;
SELECT lives_ok($$SELECT holdfast.set_destination('rights', ARRAY['http://a/Thingworx'], 'k');
                  SELECT holdfast.set_fleet('rights', 'rights');
                  SELECT holdfast.set_hub('rights', 'rights', 's', 'g');
                  SELECT holdfast.bind_device('rights', 'd', 't');
                  SELECT holdfast.replay_dead_letters(), holdfast.discard_dead_letters(device => 'none')$$,
                'an administrator configures');
SELECT throws_ok('DELETE FROM holdfast.hub', '42501', NULL, 'but not past the functions');
SELECT throws_ok($$SELECT holdfast.poll(gen_random_uuid())$$, '42501', NULL, 'and is no node');
RESET ROLE;
SET ROLE holdfast_node;
SELECT throws_ok($$SELECT holdfast.resolve(gen_random_uuid(), 'rights', ARRAY['d'], ARRAY[''])$$, 'HF002', NULL,
                 'a node needs a key');
SELECT throws_ok('SELECT * FROM holdfast.hubs', '42501', NULL, 'a node reads no view');
SELECT throws_ok($$SELECT holdfast.set_fleet('a', 'b')$$, '42501', NULL, 'and configures nothing');
SELECT throws_ok($$SELECT holdfast.session_of(gen_random_uuid())$$, '42501', NULL, 'nor calls what is internal');
SELECT lives_ok('SELECT * FROM holdfast.schema_version()', 'a node sees the schema''s version');
RESET ROLE;

-- ---- tricks: none of them changes what runs with the owner's rights
SET ROLE holdfast_admin;
CREATE TEMP TABLE hub (LIKE pg_catalog.pg_class);
CREATE TEMP TABLE setting (name text, value text);
CREATE TEMP TABLE fleet (name text);
CREATE FUNCTION pg_temp.format(text, text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped'; END$$;
CREATE FUNCTION pg_temp.check_name(text, text) RETURNS void LANGUAGE plpgsql AS $$BEGIN RAISE 'trapped'; END$$;
SET LOCAL search_path = pg_temp, tap, public;
SELECT lives_ok($$SELECT holdfast.set_fleet('tricked', 'rights');
                  SELECT holdfast.set_setting('flap_hold_ms', '1234')$$,
                'an administrator''s own tables and functions of these names disturb nothing');
SELECT is((SELECT count(*) FROM holdfast.fleets WHERE name = 'tricked'), 1::bigint, 'what is written is the real table');
SELECT is((SELECT count(*) FROM setting), 0::bigint, 'and not the administrator''s');
SELECT is((SELECT value FROM holdfast.settings WHERE name = 'flap_hold_ms'), '1234', 'the real setting is set');
RESET ROLE;
SET ROLE holdfast_node;
CREATE TEMP TABLE session (session_id int, session_key uuid, node text, ended_at timestamptz);
INSERT INTO session VALUES (1, '00000000-0000-0000-0000-00000000beef', 'forged', NULL);
SET LOCAL search_path = pg_temp, tap, public;
SELECT throws_ok($$SELECT holdfast.poll('00000000-0000-0000-0000-00000000beef')$$, 'HF002', NULL,
                 'a session that a node forges in a table of its own is none');
SET LOCAL search_path = tap, public;
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
