-- events: Rare happenings: joins, deaths, terms, moves, changes of configuration
-- Tables: event_log.
DROP VIEW IF EXISTS holdfast.events CASCADE;
CREATE VIEW holdfast.events AS
SELECT e.event_id, e.at, e.kind, e.node, e.subject, e.message, e.detail, e.hint,
       concat_ws(' ', nullif(concat_ws(', ', e.node, e.subject), '') || ':', upper(left(e.message, 1)) || rtrim(substr(e.message, 2), '.') || '.',
                 CASE WHEN e.detail <> '' THEN upper(left(e.detail, 1)) || rtrim(substr(e.detail, 2), '.') || '.' END) AS sentence
  FROM holdfast.event_log e;
COMMENT ON VIEW holdfast.events IS 'Rare happenings: joins, deaths, terms, moves, changes of configuration';
