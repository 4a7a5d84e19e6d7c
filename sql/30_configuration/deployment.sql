-- deployment()
-- Purpose: what `holdfast check` looks at before a node goes live: the configuration as nodes read it,
--          and of each destination a Thing that something is bound to, for a call that writes nothing.
-- Returns: one row for each destination that has such a Thing, or one without; configuration as in
--          configuration().
-- Calls: configuration_rows.   Tables: destination, fleet, binding (read).
CREATE OR REPLACE FUNCTION holdfast.deployment()
RETURNS TABLE (configuration jsonb, destination text, thing text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    SELECT c.rows, s.name, s.thing
      FROM (SELECT holdfast.configuration_rows() AS rows) c
      LEFT JOIN (SELECT d.name, (SELECT b.thing FROM holdfast.fleet f
                                   JOIN LATERAL (SELECT x.thing FROM holdfast.binding x
                                                  WHERE x.fleet = f.name AND x.thing IS NOT NULL
                                                  LIMIT 1) b ON true
                                  WHERE f.destination = d.name ORDER BY f.name LIMIT 1) AS thing
                   FROM holdfast.destination d) s ON s.thing IS NOT NULL
     ORDER BY s.name
$$;
COMMENT ON FUNCTION holdfast.deployment() IS
    'For holdfast check: the configuration as nodes read it, and of each destination a bound Thing';
