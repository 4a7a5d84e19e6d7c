-- log_level_of(node)
-- Purpose: how much the node is to log now, if an administrator has asked for it.
-- Returns: {"id": N, "level": "debug", "remaining_ms": N}; null when nothing is asked.
-- Calls: nothing.   Tables: log_level (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.log_level_of(node text) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN w.level IS NOT NULL AND w.until > clock_timestamp() THEN
           jsonb_build_object('id', w.id, 'level', w.level,
                              'remaining_ms', ceil(extract(epoch FROM w.until - clock_timestamp()) * 1000)::bigint) END
      FROM log_level w
     WHERE w.node IN (log_level_of.node, '')
     ORDER BY w.id DESC
     LIMIT 1
$$;
COMMENT ON FUNCTION holdfast.log_level_of(text) IS 'Internal: how much a node is to log now, if an administrator has asked for it';
