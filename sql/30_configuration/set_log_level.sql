-- set_log_level(node, level, lasting)
-- Purpose: changes how much a node logs, for a while: it falls back by itself. The node follows within a
--          second; what was asked last counts, here or by a signal to the process.
-- Parameters: node: name of a node that has ever joined; null: all, also those that join later;
--             level: debug, info, warning or error; null: as the node was started, at once;
--             lasting: more than nothing, at most 7 days.
-- Returns: when the node falls back; null if it does at once.
-- Errors: 22023 no such node or level, or too long.
-- Calls: require_node, bump, add_event.   Tables: log_level (upsert).
CREATE OR REPLACE FUNCTION holdfast.set_log_level(node text, level text, lasting interval DEFAULT '15 minutes')
RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_until timestamptz;
BEGIN
    IF node IS NOT NULL THEN
        PERFORM require_node(node);
    END IF;
    IF level NOT IN ('debug', 'info', 'warning', 'error') THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('There is no log level "%s"', level),
            DETAIL = 'Levels are debug, info, warning and error.',
            HINT = 'Use null for the level that the node was started with.';
    END IF;
    IF lasting IS NULL OR lasting <= interval '0' OR lasting > interval '7 days' THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('A log level cannot last %s', coalesce(lasting::text, 'for ever')),
            DETAIL = 'It lasts for more than nothing and at most 7 days: a node that logs at debug fills disks.',
            HINT = 'To change it for good start the node with --log-level.';
    END IF;
    v_until := CASE WHEN level IS NULL THEN clock_timestamp() ELSE clock_timestamp() + lasting END;
    -- A row anew has a new id.
    DELETE FROM log_level w WHERE w.node = coalesce(set_log_level.node, '') OR set_log_level.node IS NULL;
    INSERT INTO log_level AS w (node, level, until, set_by)
    VALUES (coalesce(set_log_level.node, ''), set_log_level.level, v_until, session_user);
    PERFORM bump('config');
    PERFORM add_event('node', set_log_level.node, NULL, 'An administrator set how much is logged',
                      coalesce(format('%s until %s', level, v_until), 'As the node was started') || '.');
    RETURN CASE WHEN level IS NOT NULL THEN v_until END;
END
$$;
COMMENT ON FUNCTION holdfast.set_log_level(text, text, interval) IS 'Changes how much a node (null: every node) logs, for a while';
