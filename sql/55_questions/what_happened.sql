-- what_happened(span)
-- Purpose: what happened in the last hour, or whatever span is given: the view events as sentences.
-- Parameters: span: counted back from now.
-- Returns: per event, the oldest first: when, and a sentence.
-- Calls: nothing.   Reads: the view events.
CREATE OR REPLACE FUNCTION holdfast.what_happened(span interval DEFAULT '1 hour')
RETURNS TABLE (at timestamptz, what text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT date_trunc('milliseconds', e.at), e.sentence
          FROM events e
         WHERE e.at > clock_timestamp() - what_happened.span
         ORDER BY e.event_id;
END
$$;
COMMENT ON FUNCTION holdfast.what_happened(interval) IS 'What happened in the last hour, or another span: events as sentences, the oldest first';
