-- Who may do what. Applied last, over everything that exists then: first nothing is allowed to
-- anybody but the owner, then the functions named below are given to their role, and the views to
-- those who look. A function that is not named here is internal.

REVOKE ALL ON SCHEMA holdfast FROM PUBLIC, holdfast_node, holdfast_admin, holdfast_reader;
REVOKE ALL ON ALL TABLES IN SCHEMA holdfast FROM PUBLIC, holdfast_node, holdfast_admin, holdfast_reader;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA holdfast FROM PUBLIC, holdfast_node, holdfast_admin, holdfast_reader;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA holdfast FROM PUBLIC, holdfast_node, holdfast_admin, holdfast_reader;
-- What a migration makes is nobody's until this file has run again; by default everybody might call it.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;
GRANT USAGE ON SCHEMA holdfast TO holdfast_node, holdfast_admin, holdfast_reader;

DO $do$
DECLARE
    node_functions constant text[] := ARRAY[
        -- coordination
        'join', 'leave', 'watch', 'sweep', 'assignment', 'poll', 'tend', 'report_hub', 'release',
        'keep', 'decline', 'abandon_offset', 'save_checkpoints', 'report',
        -- configuration and delivery
        'configuration', 'resolve', 'file_dead_letters', 'keep_dead_letters', 'claim_dead_letters',
        'settle_replays', 'note_presence', 'presence_of', 'add_dead_letters', 'claim_replays', 'report_event', 'schema_version', 'schema_serves',
        -- before a node goes live
        'deployment',
        -- for people who look at a node
        'status_page'];
    admin_functions constant text[] := ARRAY[
        'set_destination', 'restart_destination', 'set_fleet', 'set_hub', 'drop_destination', 'drop_fleet', 'drop_hub',
        'bind_device', 'bind_devices', 'unbind_device', 'set_mapping', 'drop_mapping', 'set_heartbeat', 'drop_heartbeat', 'set_thing_creation', 'explain_device',
        'replay_dead_letters', 'discard_dead_letters', 'set_dead_letter_policy',
        'prune_history', 'reset_checkpoint', 'drain_node', 'undrain_node', 'move_partition', 'unpin_partition',
        'set_capacity', 'pause_hub', 'resume_hub', 'pause_partition', 'resume_partition', 'set_setting', 'set_log_level',
        'planned_moves', 'node_quotas', 'node_doubts', 'diagnose', 'leader_at', 'owner_at', 'what_happened',
        'schema_version'];
    reader_functions constant text[] := ARRAY['schema_version', 'explain_device', 'planned_moves', 'node_quotas', 'node_doubts',
                                                 'diagnose', 'leader_at', 'owner_at', 'what_happened'];
    statement text;
BEGIN
    FOR statement IN
        SELECT format('REVOKE ALL ON TYPE %s FROM PUBLIC', t.oid::regtype)
          FROM pg_type t
         WHERE t.typnamespace = 'holdfast'::regnamespace
           AND t.typtype IN ('c', 'd', 'e') AND t.typrelid IN
               (SELECT 0::oid UNION ALL SELECT oid FROM pg_class WHERE relkind = 'c')
        UNION ALL
        SELECT format('GRANT EXECUTE ON FUNCTION %s TO %I', p.oid::regprocedure, g.role_name)
          FROM pg_proc p
          JOIN (SELECT unnest(node_functions), 'holdfast_node'
                UNION ALL SELECT unnest(admin_functions), 'holdfast_admin'
                UNION ALL SELECT unnest(reader_functions), 'holdfast_reader'
               ) AS g (function_name, role_name) ON g.function_name = p.proname
         WHERE p.pronamespace = 'holdfast'::regnamespace
        UNION ALL
        SELECT format('GRANT SELECT ON %s TO holdfast_admin, holdfast_reader', c.oid::regclass)
          FROM pg_class c
         WHERE c.relnamespace = 'holdfast'::regnamespace AND c.relkind = 'v'
    LOOP
        EXECUTE statement;
    END LOOP;
END
$do$;
