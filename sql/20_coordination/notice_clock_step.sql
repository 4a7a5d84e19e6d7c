-- notice_clock_step()
-- Purpose: when the server's clock has stepped back, what was due soon is due in an hour. A moment
--          that lies further ahead than anything sets it was set before such a step, and is due now.
-- Returns: whether there was any.   Calls: setting_ms, ms, lock_cluster, add_event.
-- Tables: cluster, partition, decline, node, housekeeping (update).   Internal; called by tend.
CREATE OR REPLACE FUNCTION holdfast.notice_clock_step() RETURNS boolean
LANGUAGE plpgsql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
DECLARE
    v_now      constant timestamptz := clock_timestamp();
    v_furthest constant timestamptz := v_now + interval '1 minute'
        + ms(greatest(setting_ms('rebalance_delay_ms'), setting_ms('decline_pass_over_ms'),
                      setting_ms('move_deadline_ms'), setting_ms('ttl_ms'), setting_ms('flap_hold_ms'),
                      (SELECT max(s.ttl_ms) FROM session s WHERE s.ended_at IS NULL)));
BEGIN
    IF NOT EXISTS (SELECT FROM cluster c WHERE c.rebalance_at > v_furthest OR c.reserved_until > v_furthest)
       AND NOT EXISTS (SELECT FROM partition p WHERE p.move_deadline > v_furthest)
       AND NOT EXISTS (SELECT FROM decline d WHERE d.until > v_furthest)
       AND NOT EXISTS (SELECT FROM node n WHERE n.steady_at > v_furthest) THEN
        RETURN false;
    END IF;
    PERFORM lock_cluster();
    UPDATE cluster c
       SET rebalance_at = least(c.rebalance_at, v_now), reserved_until = least(c.reserved_until, v_now)
     WHERE c.rebalance_at > v_furthest OR c.reserved_until > v_furthest;
    UPDATE partition p
       SET move_deadline = CASE WHEN p.move_deadline > v_furthest THEN v_now ELSE p.move_deadline END,
           move_again_at = CASE WHEN p.move_again_at > v_furthest THEN v_now ELSE p.move_again_at END
     WHERE p.move_deadline > v_furthest OR p.move_again_at > v_furthest;
    UPDATE decline d SET until = v_now WHERE d.until > v_furthest;
    UPDATE node n SET steady_at = v_now WHERE n.steady_at > v_furthest;
    UPDATE housekeeping h SET done_at = v_now WHERE h.done_at > v_furthest;
    PERFORM add_event('leader', NULL, NULL, 'The clock of the database has stepped back',
                      'What was to be done at a later time is done now.',
                      'Look at the time synchronisation of the database server.');
    RETURN true;
END
$$;
COMMENT ON FUNCTION holdfast.notice_clock_step() IS 'Internal: makes due now what a clock that stepped back has put off';
