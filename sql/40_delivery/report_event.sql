-- report_event(session_key, kind, subject, message, detail, hint)
-- Purpose: lets a node write a rare happening into the event log, under its own name.
-- Returns: nothing; raises HF002.
-- Calls: session_of, add_event.   Tables: session (read).
CREATE OR REPLACE FUNCTION holdfast.report_event(session_key uuid, kind text, subject text,
                                                 message text, detail text, hint text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    me constant int := holdfast.session_of(report_event.session_key);
BEGIN
    IF coalesce(kind, '') = '' OR message IS NULL THEN
        RAISE EXCEPTION 'an event needs a kind and a message'
            USING ERRCODE = '22023', DETAIL = 'One of them is null or empty.',
                  HINT = 'Give a short word as kind and a sentence as message.';
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM holdfast.add_event(kind, s.node, subject, message, detail, hint)
       FROM holdfast.session s
      WHERE s.session_id = me;
END
$$;
COMMENT ON FUNCTION holdfast.report_event(uuid, text, text, text, text, text) IS
    'For nodes: writes a rare happening into the event log';
