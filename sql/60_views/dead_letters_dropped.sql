-- dead_letters_dropped: How many dead letters of each device were dropped, because an administrator had said so
-- Tables: dead_letter_dropped.
DROP VIEW IF EXISTS holdfast.dead_letters_dropped CASCADE;
CREATE VIEW holdfast.dead_letters_dropped AS
SELECT x.fleet, x.device, x.cause, x.letters, x.first_at, x.last_at
  FROM holdfast.dead_letter_dropped x;
COMMENT ON VIEW holdfast.dead_letters_dropped IS 'How many dead letters of each device were dropped, because an administrator had said so';
COMMENT ON COLUMN holdfast.dead_letters_dropped.cause IS 'ceiling: set_dead_letter_policy; retention: the setting dead_letters_after_retention';
