-- steady_at(node)
-- Purpose: until when a node that joins now shall wait for partitions, because its sessions have died
--          again and again: each of its deaths takes partitions from the others and brings them back.
--          From the third death within five minutes on: 1 s, then twice as long for each further one,
--          up to the setting flap_hold_ms. Clean stops and restarts of the database do not count.
-- Parameters: node: who joins; its last session has been ended.
-- Returns: null when it need not wait.   Calls: setting_ms, ms.   Tables: session (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.steady_at(node text) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    SELECT clock_timestamp() + ms(least(setting_ms('flap_hold_ms'), 1000 * 2 ^ least(d.deaths - 3, 20))::bigint)
      FROM (SELECT count(*) AS deaths
              FROM session s
             WHERE s.node = steady_at.node AND s.end_reason = 'died'
               AND s.ended_at > clock_timestamp() - interval '5 minutes') d
     WHERE d.deaths >= 3 AND setting_ms('flap_hold_ms') > 0
$$;
COMMENT ON FUNCTION holdfast.steady_at(text) IS 'Internal: until when a node that dies again and again waits for partitions';
