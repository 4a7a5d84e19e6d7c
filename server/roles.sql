-- Roles and rights that Holdfast needs before `holdfast migrate` can run.
-- Run once per database, as a superuser (or, on a managed service, as its administrator),
-- connected to the database that Holdfast shall use; running it again changes nothing:
--
--     psql -d holdfast -f server/roles.sql
--
-- The four roles cannot log in. Give each login one of them:
--     CREATE ROLE connector LOGIN PASSWORD '...' IN ROLE holdfast_node;
\set ON_ERROR_STOP on
BEGIN;

DO $do$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['holdfast_owner', 'holdfast_node', 'holdfast_admin',
                                     'holdfast_reader']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
    END LOOP;
    -- The owner makes its schema here and nowhere else.
    EXECUTE format('GRANT CREATE ON DATABASE %I TO holdfast_owner', current_database());
END
$do$;

COMMENT ON ROLE holdfast_owner IS 'Holdfast: owns the schema; holdfast migrate runs as a member';
COMMENT ON ROLE holdfast_node IS 'Holdfast: connector nodes; may call the protocol''s functions, no table rights';
COMMENT ON ROLE holdfast_admin IS 'Holdfast: administrators; may configure and steer by functions, and read the views';
COMMENT ON ROLE holdfast_reader IS 'Holdfast: may read the views';

-- The owner's functions look at the backends of dead sessions and end what is left of them.
GRANT pg_read_all_stats, pg_signal_backend TO holdfast_owner;

-- Exclusion constraints over a name and a time range (terms of a lease that cannot overlap).
CREATE EXTENSION IF NOT EXISTS btree_gist;

COMMIT;
