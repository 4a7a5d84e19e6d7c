-- note_dead_letters(node, news)
-- Purpose: writes into the event log that a partition pauses at a device's ceiling, goes on, or that
--          letters of a device begin to be dropped.
-- Parameters: node: who found it out; news: an array of {what: held, freed or dropped; partition;
--             device; ceiling}.
-- Returns: nothing.   Calls: add_event.   Tables: partition (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.note_dead_letters(node text, news jsonb) RETURNS void
LANGUAGE sql SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    SELECT holdfast.add_event('dead letters', $1,
               CASE WHEN p.partition_id IS NULL THEN format('device %s', e.device)
                    ELSE format('partition %s/%s', p.hub, p.partition) END,
               CASE e.what WHEN 'held' THEN 'The partition pauses: a device has too many dead letters'
                           WHEN 'freed' THEN 'The partition goes on: there is room for the dead letters of its device'
                           ELSE 'Dead letters of a device are dropped from now on' END,
               CASE e.what WHEN 'held' THEN format('Device %s has %s dead letters. Its next one is held back, and with it the checkpoint; other partitions go on.', e.device, e.ceiling)
                           WHEN 'freed' THEN format('Device %s.', e.device)
                           ELSE format('Device %s is at its ceiling, and its policy is to drop. The view dead_letters_dropped counts them.', e.device) END,
               CASE e.what WHEN 'held' THEN 'Mend the device or its Thing, then replay_dead_letters or discard_dead_letters; or say with set_dead_letter_policy what shall happen.' END)
      FROM jsonb_to_recordset($2) AS e (what text, partition int, device text, ceiling int)
      LEFT JOIN holdfast.partition p ON p.partition_id = e.partition
$$;
COMMENT ON FUNCTION holdfast.note_dead_letters(text, jsonb) IS 'Internal: what happens at the ceilings of devices, for the event log';
