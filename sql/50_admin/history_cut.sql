-- history_cut(kind, before)
-- Purpose: up to when history of a kind is to go: `before`, or later when more than history_rows rows
--          of it are younger than that.
-- Parameters: kind: event, dead_letter (settled ones), unbound_device, term, ownership, session (ended
--             ones) or checkpoint (old ones); before: by the retention.
-- Returns: timestamptz; what is older goes.   Calls: setting_ms.
-- Tables: event_log, dead_letter, unbound_device, term, ownership, session, checkpoint_history (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.history_cut(kind text, before timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    v_most constant int := setting_ms('history_rows');
    v_cut  timestamptz;
BEGIN
    -- The youngest row that is one too many, by the index on its time.
    CASE kind
    WHEN 'event' THEN
        SELECT e.at INTO v_cut FROM event_log e ORDER BY e.at DESC OFFSET v_most LIMIT 1;
    WHEN 'dead_letter' THEN
        SELECT d.settled_at INTO v_cut FROM dead_letter d WHERE d.settled_at IS NOT NULL
         ORDER BY d.settled_at DESC OFFSET v_most LIMIT 1;
    WHEN 'unbound_device' THEN
        SELECT u.last_seen INTO v_cut FROM unbound_device u ORDER BY u.last_seen DESC OFFSET v_most LIMIT 1;
    WHEN 'term' THEN
        SELECT upper(t.during) INTO v_cut FROM term t WHERE NOT upper_inf(t.during)
         ORDER BY upper(t.during) DESC OFFSET v_most LIMIT 1;
    WHEN 'ownership' THEN
        SELECT upper(o.during) INTO v_cut FROM ownership o WHERE NOT upper_inf(o.during)
         ORDER BY upper(o.during) DESC OFFSET v_most LIMIT 1;
    WHEN 'session' THEN
        SELECT s.ended_at INTO v_cut FROM session s WHERE s.ended_at IS NOT NULL
         ORDER BY s.ended_at DESC OFFSET v_most LIMIT 1;
    WHEN 'checkpoint' THEN
        SELECT h.ended_at INTO v_cut FROM checkpoint_history h ORDER BY h.ended_at DESC OFFSET v_most LIMIT 1;
    END CASE;
    RETURN greatest(before, v_cut + interval '1 microsecond');
END
$$;
COMMENT ON FUNCTION holdfast.history_cut(text, timestamptz) IS 'Internal: up to when history of a kind is to go';
