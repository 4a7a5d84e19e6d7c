-- bind_by_rule(fleet, devices, modules, things)
-- Purpose: binds the devices whose Thing is null by the fleet's rule, and records those that the rule
--          leaves out as unbound. Internal.
-- Parameters: arrays of one length, sorted, as things_of left them. A device without a name is not
--             recorded: a hub hands out events that no device sent.
-- Returns: nothing; raises 22023.
-- Calls: thing_of.
-- Tables: fleet (lock), binding (insert), unbound_device (insert, update, delete).
CREATE OR REPLACE FUNCTION holdfast.bind_by_rule(fleet text, devices text[], modules text[],
                                                 things text[])
RETURNS void
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    rule holdfast.fleet;
BEGIN
    -- Shared: set_fleet waits for us, then corrects what we bound by the rule as it was.
    SELECT f.* INTO rule FROM holdfast.fleet f WHERE f.name = bind_by_rule.fleet FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no fleet %', coalesce(quote_literal(bind_by_rule.fleet), 'null')
            USING ERRCODE = '22023', DETAIL = 'It may have been dropped a moment ago.',
                  HINT = 'Read the configuration again.';
    END IF;
    WITH bound AS (
        INSERT INTO holdfast.binding (fleet, device, module, thing, source)
        SELECT rule.name, w.device, w.module,
               holdfast.thing_of(rule.thing_template, w.device, w.module), 'rule'
          FROM unnest(devices, modules, things) WITH ORDINALITY AS w (device, module, thing, place)
         WHERE w.thing IS NULL AND w.device <> '' AND rule.auto_bind
           AND (rule.device_pattern IS NULL OR w.device ~ rule.device_pattern)
         ORDER BY w.place
        ON CONFLICT (fleet, device, module) DO NOTHING
        RETURNING device, module
    )
    DELETE FROM holdfast.unbound_device u
     USING bound
     WHERE u.fleet = rule.name AND u.device = bound.device AND u.module = bound.module;

    INSERT INTO holdfast.unbound_device AS u (fleet, device, module, reason)
    SELECT rule.name, w.device, w.module,
           CASE WHEN rule.auto_bind THEN 'device_pattern does not match'
                ELSE 'auto_bind is off' END
      FROM unnest(devices, modules, things) WITH ORDINALITY AS w (device, module, thing, place)
     WHERE w.thing IS NULL AND w.device <> ''
       AND (NOT rule.auto_bind OR w.device !~ rule.device_pattern)
     ORDER BY w.place
    ON CONFLICT (fleet, device, module) DO UPDATE
       SET reason = excluded.reason, last_seen = clock_timestamp()
     -- Nodes that ask again and again must not make a write each time.
     WHERE u.reason <> excluded.reason OR u.last_seen < clock_timestamp() - interval '1 minute';
END
$$;
COMMENT ON FUNCTION holdfast.bind_by_rule(text, text[], text[], text[]) IS
    'Internal: binds devices by the fleet''s rule, records those that it leaves out as unbound';
