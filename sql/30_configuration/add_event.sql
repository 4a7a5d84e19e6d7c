-- add_event(kind, node, subject, message, detail, hint)
-- Purpose: writes one line of the event log. Internal: for the other functions of the schema.
-- Parameters: kind: word for filtering (join, leave, death, term, move, config, ...); node: whom it
--             concerns, or null; subject: what it concerns ('hub demo', 'partition demo/3'), or null.
--             What is too long is cut.
-- Returns: nothing.   Calls: nothing.   Tables: event_log (insert).
CREATE OR REPLACE FUNCTION holdfast.add_event(kind text, node text, subject text, message text,
                                              detail text DEFAULT NULL, hint text DEFAULT NULL)
RETURNS void
LANGUAGE sql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    INSERT INTO holdfast.event_log (kind, node, subject, message, detail, hint)
    VALUES (left(kind, 64), left(node, 200), left(subject, 512), left(message, 1024), left(detail, 4096), left(hint, 1024))
$$;
COMMENT ON FUNCTION holdfast.add_event(text, text, text, text, text, text) IS
    'Internal: writes one line of the event log';
