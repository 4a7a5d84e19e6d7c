-- set_dead_letter_policy(action, ceiling, fleet, device_pattern)
-- Purpose: says what happens when a device has as many dead letters as may be kept: its partition
--          pauses, or what comes after them is dropped and counted. For all devices, those of a
--          fleet, those that match a pattern, or both; what is nearest to the device counts.
-- Parameters: action: pause, drop, or default to remove what was said for this fleet and pattern;
--             ceiling: how many letters, null for the setting dead_letter_ceiling; fleet: null for
--             all; device_pattern: regular expression, null for any device.
-- Returns: nothing; raises 22023.
-- Calls: check_rule, check_range, add_event.   Tables: dead_letter_policy (upsert, delete), fleet (read).
CREATE OR REPLACE FUNCTION holdfast.set_dead_letter_policy(
    action text, ceiling int DEFAULT NULL, fleet text DEFAULT NULL, device_pattern text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF $1 IS NULL OR $1 NOT IN ('pause', 'drop', 'default') THEN
        RAISE EXCEPTION 'there is no policy %', coalesce(quote_literal($1), 'null')
            USING ERRCODE = '22023', DETAIL = 'Policies are pause, drop and default.',
                  HINT = 'pause keeps everything and stops the partition; drop gives up what comes above the ceiling; default removes what was said before.';
    END IF;
    IF $2 IS NOT NULL THEN
        PERFORM holdfast.check_range('ceiling', $2, 1, 1000000);
    END IF;
    PERFORM holdfast.check_rule('{device}', $4);
    IF $3 IS NOT NULL AND NOT EXISTS (SELECT FROM holdfast.fleet f WHERE f.name = $3) THEN
        RAISE EXCEPTION 'there is no fleet %', quote_literal($3)
            USING ERRCODE = '22023', DETAIL = 'A policy is for one fleet, or for all.',
                  HINT = 'The view fleets lists them; leave fleet out for all.';
    END IF;
    IF $1 = 'default' THEN
        DELETE FROM holdfast.dead_letter_policy p
         WHERE p.fleet IS NOT DISTINCT FROM $3 AND p.device_pattern IS NOT DISTINCT FROM $4;
    ELSE
        INSERT INTO holdfast.dead_letter_policy AS p (fleet, device_pattern, action, ceiling, set_by)
        VALUES ($3, $4, $1, $2, session_user)
        ON CONFLICT (coalesce(fleet, ''), coalesce(device_pattern, '')) DO UPDATE
           SET action = excluded.action, ceiling = excluded.ceiling, set_by = excluded.set_by,
               set_at = excluded.set_at;
    END IF;
    PERFORM holdfast.add_event('config', NULL, 'dead letters', format('dead letter policy %s', $1),
                               format('fleet %s, devices %s, ceiling %s, by %s', coalesce($3, 'any'),
                                      coalesce($4, 'any'), coalesce($2::text, 'of the setting'), session_user));
END
$$;
COMMENT ON FUNCTION holdfast.set_dead_letter_policy(text, int, text, text) IS
    'Says what happens when a device has as many dead letters as may be kept: pause, drop, or default again';
