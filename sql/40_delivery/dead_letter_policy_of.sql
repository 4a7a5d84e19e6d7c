-- dead_letter_policy_of(fleet, device)
-- Purpose: what happens when a device has as many dead letters as may be kept. A policy by device
--          pattern comes before one without, one of the fleet before one of all.
-- Returns: one row: action (pause or drop), ceiling.   Calls: setting_ms.
-- Tables: dead_letter_policy (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.dead_letter_policy_of(fleet text, device text)
RETURNS TABLE (action text, ceiling int)
LANGUAGE sql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    SELECT p.action, coalesce(p.ceiling, holdfast.setting_ms('dead_letter_ceiling'))
      FROM (SELECT x.action, x.ceiling, x.device_pattern, x.fleet, false AS fallback
              FROM holdfast.dead_letter_policy x
             WHERE (x.fleet IS NULL OR x.fleet = $1)
               AND (x.device_pattern IS NULL OR $2 ~ x.device_pattern)
            UNION ALL SELECT 'pause', NULL, NULL, NULL, true) AS p
     ORDER BY p.device_pattern IS NULL, p.fleet IS NULL, p.fallback, p.device_pattern
     LIMIT 1
$$;
COMMENT ON FUNCTION holdfast.dead_letter_policy_of(text, text) IS 'Internal: what happens when a device has as many dead letters as may be kept';
