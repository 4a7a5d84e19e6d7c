-- diagnose_delivery()
-- Purpose: findings about what stands between the hubs and ThingWorx.
-- Returns: a row per finding: severity, subject, error, detail, hint.
-- Calls: setting_ms, ms.
-- Tables: hub, hub_log, decline, session, node, node_report, destination, dead_letter,
--         dead_letter_dropped, setting, event_log (read).
-- Reads: the views partitions_lagging, partitions.   Internal.
CREATE OR REPLACE FUNCTION holdfast.diagnose_delivery()
RETURNS TABLE (severity text, subject text, error text, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_kept  constant bigint := (SELECT count(*) FROM dead_letter d WHERE d.state = 'kept');
    v_alarm constant bigint := setting_ms('dead_letter_alarm');
BEGIN
    RETURN QUERY
    SELECT 'warning', CASE WHEN count(*) = 1 THEN format('partition %s/%s', l.hub, min(l.partition)) ELSE format('hub %s', l.hub) END,
           CASE WHEN count(*) = 1 THEN 'It lags behind its hub' ELSE format('%s of its partitions lag', count(*)) END
               || CASE WHEN l.progress THEN '' ELSE ' and make' || CASE WHEN count(*) = 1 THEN 's' ELSE '' END || ' no progress' END,
           format('%s events, up to %s s, the longest since %s; owned by %s; last saved %s ago.',
                  coalesce(sum(l.lag_events)::text, 'An unknown number of'), coalesce(round(max(l.lag_seconds))::text, 'an unknown number of'),
                  date_trunc('second', min(l.since)), coalesce(string_agg(DISTINCT l.owner, ', '), 'nobody'),
                  coalesce(date_trunc('second', max(l.checkpoint_age))::text, 'never')),
           CASE WHEN l.progress THEN 'If it does not shrink, start more nodes, or see what slows ThingWorx. '
                ELSE 'See the states of the destination and of the hub among the other findings, then the owners'' logs. ' END
               || 'The view partitions_lagging has each partition.'
      FROM partitions_lagging l
     GROUP BY l.hub, l.progress
    UNION ALL
    SELECT 'warning', format('hub %s', h.name), 'Every live node has declined it',
           format('%s nodes, the last at %s: %s', count(*), date_trunc('second', max(d.declined_at)), max(d.reason)),
           'See whether the hub can be reached, and whether its secret and consumer group are right.'
      FROM hub h
      JOIN decline d ON d.hub = h.name AND d.until > clock_timestamp()
      JOIN session s ON s.session_id = d.session_id AND s.ended_at IS NULL
     WHERE h.enabled
     GROUP BY h.name
    HAVING count(*) >= (SELECT count(*) FROM session x JOIN node n ON n.name = x.node
                         WHERE x.ended_at IS NULL AND n.drained_at IS NULL)
    UNION ALL
    SELECT 'warning', format('hub %s', h.name),
           CASE WHEN count(*) = (SELECT count(*) FROM session x WHERE x.ended_at IS NULL)
                THEN 'No live node can read it' ELSE format('%s live nodes cannot read it', count(*)) END,
           string_agg(format('%s: %s', r.node, r.stats -> 'hubs' ->> h.name), '; ' ORDER BY r.node),
           'See docs/conditions.md for the condition; a missing secret is a file in the node''s folder of secrets.'
      FROM hub h
      JOIN node_report r ON r.stats -> 'hubs' ? h.name AND r.stats -> 'hubs' ->> h.name <> 'up'
      JOIN session s ON s.session_id = r.session_id AND s.ended_at IS NULL
     WHERE h.enabled
     GROUP BY h.name
    UNION ALL
    SELECT 'warning', format('hub %s', h.name), 'Its partitions are not known yet',
           format('No leader has read its metadata since it was set at %s.', date_trunc('second', h.updated_at)),
           'See whether the nodes reach it, and whether its secret is in their folder of secrets.'
      FROM hub h
     WHERE h.enabled AND h.updated_at < clock_timestamp() - interval '1 minute'
       AND NOT EXISTS (SELECT FROM hub_log l WHERE l.hub = h.name)
       AND EXISTS (SELECT FROM session x WHERE x.ended_at IS NULL)
    UNION ALL
    SELECT CASE s.state WHEN 'failed' THEN 'error' ELSE 'warning' END, format('destination %s', d.name), format('It is %s for %s of the live nodes', s.state, count(*)),
           coalesce(max(e.message || coalesce(': ' || e.detail, '')), 'The nodes have not said why.'),
           coalesce(max(e.hint), 'Nothing is lost meanwhile. See whether ThingWorx runs, and whether the base URLs of the destination are right.')
      FROM destination d
      JOIN node_report r ON r.stats -> 'destinations' ->> d.name IN ('paused', 'unreachable', 'failed')
      JOIN session x ON x.session_id = r.session_id AND x.ended_at IS NULL
     CROSS JOIN LATERAL (SELECT r.stats -> 'destinations' ->> d.name AS state) s
      LEFT JOIN LATERAL (SELECT l.message, l.detail, l.hint FROM event_log l
                          WHERE l.kind = 'destination' AND l.subject = d.name AND l.node = r.node
                            AND l.at > clock_timestamp() - interval '1 day'
                          ORDER BY l.event_id DESC LIMIT 1) e ON true
     GROUP BY d.name, s.state
    UNION ALL
    SELECT 'warning', format('partition %s/%s', p.hub, p.partition), 'It is paused by a device with too many dead letters',
           format('Device %s has reached its ceiling; an event is held back since %s, and with it the checkpoint. Other partitions go on.',
                  p.held_device, date_trunc('second', p.held_since)),
           format('Mend the device or its Thing, then replay_dead_letters(device => %L) or discard_dead_letters(device => %L): it goes on by itself. set_dead_letter_policy() raises the ceiling, or drops and counts instead. What is too old the hub deletes.',
                  p.held_device, p.held_device)
      FROM partitions p WHERE p.held_since IS NOT NULL
    UNION ALL
    SELECT 'notice', 'dead letters', format('%s have been dropped, the last of them within a day', sum(x.letters)),
           format('Of %s devices, the last at %s: %s.', count(DISTINCT (x.fleet, x.device)), date_trunc('second', max(x.last_at)),
                  string_agg(DISTINCT x.cause, ', ')),
           'An administrator has said so: see the views dead_letters_dropped and dead_letter_policies, and the setting dead_letters_after_retention.'
      FROM dead_letter_dropped x
    HAVING max(x.last_at) > clock_timestamp() - interval '1 day'
    UNION ALL
    SELECT 'notice', 'dead letters', format('%s are older than history_retention and still kept', count(*)),
           format('The oldest is of %s.', date_trunc('second', min(d.created_at))),
           'Replay or discard them; set_setting(''dead_letters_after_retention'', ''drop'') drops and counts such letters.'
      FROM dead_letter d
     WHERE d.state = 'kept'
       AND d.created_at < (SELECT clock_timestamp() - s.value::interval FROM setting s WHERE s.name = 'history_retention')
    HAVING count(*) > 0
    UNION ALL
    SELECT 'warning', 'dead letters', format('%s wait to be replayed or discarded', v_kept),
           format('The setting dead_letter_alarm is %s. They stay until somebody decides. The most frequent reason: %s.', v_alarm,
                  (SELECT format('%s (%s)', d.reason, count(*)) FROM dead_letter d WHERE d.state = 'kept'
                    GROUP BY d.reason ORDER BY count(*) DESC LIMIT 1)),
           'SELECT reason, detail, count(*) FROM holdfast.dead_letters WHERE state = ''kept'' GROUP BY 1, 2; then mend, and replay_dead_letters() or discard_dead_letters().'
     WHERE v_kept >= v_alarm
    UNION ALL
    SELECT 'warning', 'dead letters', format('%s came within the last hour', count(*)),
           format('The last at %s, of device %s: %s, %s', date_trunc('second', max(d.created_at)),
                  (array_agg(d.device ORDER BY d.created_at DESC))[1], (array_agg(d.reason ORDER BY d.created_at DESC))[1],
                  left((array_agg(d.detail ORDER BY d.created_at DESC))[1], 200)),
           'SELECT * FROM holdfast.dead_letters ORDER BY created_at DESC tells more.'
      FROM (SELECT * FROM dead_letter x WHERE x.state = 'kept' AND x.created_at > clock_timestamp() - interval '1 hour'
             ORDER BY x.created_at DESC LIMIT 10000) d
    HAVING count(*) >= greatest(1, v_alarm / 100)
    UNION ALL
    SELECT 'warning', 'dead letters', format('%s replays were asked for and do not come to an end', count(*)),
           format('The oldest was asked for at %s.', date_trunc('second', min(d.requested_at))),
           'Their partitions need an owner, and ThingWorx must take values: see the other findings.'
      FROM dead_letter d WHERE d.state = 'requested' AND d.requested_at < clock_timestamp() - interval '5 minutes'
    HAVING count(*) > 0;
END
$$;
COMMENT ON FUNCTION holdfast.diagnose_delivery() IS 'Internal: findings about what stands between the hubs and ThingWorx';
