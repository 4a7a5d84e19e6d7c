-- set_pause(hub, partition, reason)
-- Purpose: pauses a hub (partition '') or one partition, or lets it be read again (reason null).
-- Returns: whether anything was changed. Pausing again renews the reason.
-- Errors: 22023 no such hub or partition, or an empty reason.
-- Calls: require_partition, bump, add_event.   Tables: pause (upsert, delete), hub (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.set_pause(hub text, partition text, reason text) RETURNS boolean
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_subject constant text := CASE WHEN $2 = '' THEN format('hub %s', $1) ELSE format('partition %s/%s', $1, $2) END;
    v_changed boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM hub h WHERE h.name = $1) THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('There is no hub "%s"', $1),
            DETAIL = 'Only hubs that were made with set_hub() can be paused.',
            HINT = 'SELECT name FROM holdfast.hubs shows the names.';
    ELSIF $3 !~ '\S' OR length($3) > 500 THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = 'A pause needs a reason',
            DETAIL = format('It has %s characters; it takes 1 to 500, and not blanks alone.', length($3)),
            HINT = 'Say who needs it and until when: whoever is woken at night reads it in diagnose().';
    END IF;
    IF $2 <> '' THEN
        PERFORM require_partition($1, $2);
    END IF;
    IF $3 IS NULL THEN
        DELETE FROM pause a WHERE a.hub = $1 AND a.partition = $2;
    ELSE
        INSERT INTO pause AS a (hub, partition, reason, paused_by) VALUES ($1, $2, $3, session_user)
            ON CONFLICT (hub, partition) DO UPDATE
           SET reason = excluded.reason, paused_by = excluded.paused_by
         WHERE a.reason <> excluded.reason;
    END IF;
    v_changed := FOUND;
    IF v_changed THEN
        PERFORM bump('wishes');
        PERFORM add_event('pause', NULL, v_subject,
                          CASE WHEN $3 IS NULL THEN 'An administrator lets it be read again'
                               ELSE 'An administrator pauses it' END,
                          format('By %s%s.', session_user, ': ' || $3));
    END IF;
    RETURN v_changed;
END
$$;
COMMENT ON FUNCTION holdfast.set_pause(text, text, text) IS 'Internal: pauses a hub or a partition, or ends that';
