-- set_thing_creation(fleet, template, project)
-- Purpose: lets nodes make the Things of a fleet that ThingWorx does not have, of a template, with
--          property definitions learnt from the first events; and definitions of properties that
--          appear later. Idempotent; running nodes follow. docs/mapping.md says what that means.
-- Parameters: template: name of a ThingTemplate; null: off again; project: an existing project, null for
--             the platform's own.
-- Returns: nothing; raises 22023.
-- Calls: bump, add_event.   Tables: fleet (lock), thing_creation (upsert, delete).
CREATE OR REPLACE FUNCTION holdfast.set_thing_creation(fleet text, template text, project text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[template, project] LOOP
        IF name = '' OR name <> btrim(name) OR name ~ '[[:cntrl:]]' OR length(name) > 256 THEN
            RAISE EXCEPTION 'Things cannot be made of template %', coalesce(quote_literal(template), 'null')
                USING ERRCODE = '22023',
                      DETAIL = 'The name of the template or of the project is empty, too long, or has blanks around it or control characters in it.',
                      HINT = 'Give the names as ThingWorx has them, or null for no creation and for no project.';
        END IF;
    END LOOP;
    PERFORM FROM holdfast.fleet f WHERE f.name = set_thing_creation.fleet FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no fleet %', coalesce(quote_literal(set_thing_creation.fleet), 'null')
            USING ERRCODE = '22023', DETAIL = 'Things are made for the devices of a fleet.',
                  HINT = 'Look at the view holdfast.fleets, or make it with holdfast.set_fleet.';
    END IF;
    IF set_thing_creation.template IS NULL THEN
        DELETE FROM holdfast.thing_creation c WHERE c.fleet = set_thing_creation.fleet;
    ELSE
        INSERT INTO holdfast.thing_creation AS c (fleet, template, project)
        VALUES (set_thing_creation.fleet, set_thing_creation.template, set_thing_creation.project)
        ON CONFLICT (fleet) DO UPDATE
           SET template = excluded.template, project = excluded.project,
               updated_at = clock_timestamp()
         WHERE (c.template, c.project) IS DISTINCT FROM (excluded.template, excluded.project);
    END IF;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM holdfast.bump('config');
    PERFORM holdfast.add_event('config', NULL, 'fleet ' || set_thing_creation.fleet,
                               CASE WHEN set_thing_creation.template IS NULL
                                    THEN 'creation of Things ended'
                                    ELSE 'creation of Things set' END, 'by ' || session_user);
END
$$;
COMMENT ON FUNCTION holdfast.set_thing_creation(text, text, text) IS
    'Lets nodes make the Things of a fleet that ThingWorx does not have, of a template; null ends it; running nodes follow';
