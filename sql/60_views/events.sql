-- events: Rare happenings: joins, deaths, terms, moves, changes of configuration
-- Tables: event_log.
DROP VIEW IF EXISTS holdfast.events CASCADE;
CREATE VIEW holdfast.events AS
SELECT e.event_id, e.at, e.kind, e.node, e.subject, e.message, e.detail, e.hint,
       concat_ws(' ', nullif(concat_ws(', ', e.node, e.subject), '') || ':', rtrim(e.message, '.') || '.',
                 CASE WHEN e.detail <> '' THEN rtrim(e.detail, '.') || '.' END) AS sentence
  FROM holdfast.event_log e;
COMMENT ON VIEW holdfast.events IS 'Rare happenings: joins, deaths, terms, moves, changes of configuration';
