-- What the status page of a node is made of: right, bounded, and cheap enough to be asked every second.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/members.sql
CREATE FUNCTION pg_temp.page(findings boolean DEFAULT false) RETURNS jsonb LANGUAGE sql AS
    $$ SELECT holdfast.status_page(20, findings)::jsonb $$;
CREATE FUNCTION pg_temp.at(path text) RETURNS text LANGUAGE sql AS
    $$ SELECT pg_temp.page() #>> string_to_array(path, '.') $$;

GRANT holdfast_node TO CURRENT_USER;
SET ROLE holdfast_node;
SELECT is(holdfast.status_page(1, true)::jsonb #>> '{nodes,live}', '0', 'a node may ask, also of an empty cluster');
SELECT throws_ok(format('SELECT holdfast.status_page(%s, false)', n), '22023', NULL, 'not for ' || coalesce(n, 'null') || ' rows')
  FROM unnest(ARRAY['0', '201', 'NULL']) n;
RESET ROLE;
SELECT is(pg_temp.at('leader'), NULL, 'nobody leads');
SELECT is(pg_temp.at('findings'), NULL, 'no findings unless asked for');

SELECT pg_temp.member(1), pg_temp.member(2), pg_temp.partitions('demo', 4), pg_temp.partitions('other', 1) \gset _
SELECT holdfast.lock_cluster(), holdfast.open_terms(1), holdfast.place_free() \gset _
SELECT count(*) FROM (SELECT holdfast.save_checkpoints(pg_temp.key(p.owner_session_id), ARRAY[p.partition_id], ARRAY[p.token],
         ARRAY['100'], ARRAY[10::bigint], ARRAY[1000::bigint]) FROM holdfast.partition p WHERE p.hub = 'demo') s \gset _
SELECT count(holdfast.report(pg_temp.key(p.owner_session_id),
         '{"events_per_second": 2.5, "in_flight": 7, "destinations": {"thingworx": "paused"}, "reasons": {"thingworx": "<b>no key</b>"},
           "delivery": {"thingworx": "bulk"}, "hubs": {"demo": "up", "other": "<script>"}}',
         ARRAY[p.partition_id], ARRAY[15::bigint], ARRAY[4000::bigint])) FROM holdfast.partition p WHERE p.partition IN ('0', '1') \gset _
SELECT holdfast.add_event('joined', 'n1', '<i>', 'it says "&"', NULL, NULL) \gset _

SELECT is(pg_temp.at('leader.node'), 'n1', 'who leads');
SELECT is((pg_temp.page() -> 'nodes') - 'rows', '{"total": 2, "live": 2, "versions": 1, "events_per_second": 5}', 'nodes in all');
SELECT is((SELECT string_agg(concat_ws('|', r ->> 'node', r ->> 'state', r ->> 'leader', r ->> 'partitions', r ->> 'events_per_second', r ->> 'in_flight'), ' ' ORDER BY n)
             FROM jsonb_array_elements(pg_temp.page() #> '{nodes,rows}') WITH ORDINALITY AS x (r, n)),
          'n1|live|true|3|3|7 n2|live|false|2|3|7', 'and each, the leader first');
SELECT is((pg_temp.page() -> 'partitions') - 'rows',
          '{"total": 5, "owned": 5, "moving": 0, "paused": 0, "held": 0, "without_owner": 0, "lag_events": 10, "lag_ms": 3000}', 'partitions in all');
SELECT is((SELECT string_agg(concat_ws('|', r ->> 'hub', r ->> 'partition', r ->> 'state', coalesce(r ->> 'lag_events', '-'), coalesce(r ->> 'lag_ms', '-')), ' ' ORDER BY n)
             FROM jsonb_array_elements(pg_temp.page() #> '{partitions,rows}') WITH ORDINALITY AS x (r, n)),
          'demo|0|owned|5|3000 demo|1|owned|5|3000 demo|2|owned|-|- demo|3|owned|-|- other|0|owned|-|-', 'and each, in their order when they fit');
SELECT is((pg_temp.page() #> '{destinations,rows,0}') - 'ok', '{"name": "thingworx", "state": "paused", "reason": "<b>no key</b>", "nodes": 2, "delivered": "bulk"}', 'destinations');
SELECT is((SELECT string_agg(concat_ws('|', r ->> 'name', r ->> 'up', r ->> 'down', coalesce(r ->> 'problem', '-'), r ->> 'partitions', r ->> 'owned'), ' ' ORDER BY n)
             FROM jsonb_array_elements(pg_temp.page() #> '{hubs,rows}') WITH ORDINALITY AS x (r, n)),
          'other|0|2|<script>|1|1 demo|2|0|-|4|4', 'hubs, those with a trouble first');
SELECT is(pg_temp.page() #>> '{events,0,text}', 'n1, <i>: It says "&".', 'events, the newest first');
SELECT cmp_ok((pg_temp.page(true) #>> '{findings,total}')::int, '>', 0, 'findings, when they are asked for');
SELECT is(pg_temp.at('letters'), '{"more": false, "reasons": [], "waiting": 0}', 'no dead letters');

-- ---- states
SELECT holdfast.pause_partition('demo', '1', 'why'), holdfast.pause_hub('other', 'why') \gset _
UPDATE holdfast.partition SET owner_session_id = NULL, state = 'free' WHERE hub = 'demo' AND partition = '2';
INSERT INTO holdfast.dead_letter_hold (partition_id, device, token, generation, sequence, ceiling)
SELECT p.partition_id, 'd', p.token, p.generation, 99, 1 FROM holdfast.partition p WHERE p.hub = 'demo' AND p.partition IN ('2', '3');
SELECT is((SELECT string_agg(r ->> 'state', ' ' ORDER BY n)
             FROM jsonb_array_elements(pg_temp.page() #> '{partitions,rows}') WITH ORDINALITY AS x (r, n)),
          'owned pausing free held pausing', 'paused, free and held partitions are told apart');
SELECT is((SELECT string_agg(r ->> 'partition', ' ' ORDER BY n)
             FROM jsonb_array_elements(holdfast.status_page(2, false)::jsonb #> '{partitions,rows}') WITH ORDINALITY AS x (r, n)),
          '2 3', 'when they do not all fit, those that nobody reads come first');
SELECT is((SELECT p.state FROM holdfast.partitions p WHERE p.hub = 'demo' AND p.partition = '1'), 'pausing', 'as the view says');
UPDATE holdfast.session SET ended_at = now(), end_reason = 'died' WHERE session_id = 2;
SELECT is((SELECT string_agg(concat_ws('|', r ->> 'node', r ->> 'state'), ' ' ORDER BY n)
             FROM jsonb_array_elements(pg_temp.page() #> '{nodes,rows}') WITH ORDINALITY AS x (r, n)), 'n1|live n2|died', 'a node that died');
SELECT is(pg_temp.at('nodes.events_per_second'), '3', 'what it reported counts no more');
UPDATE holdfast.session SET ended_at = now() - interval '2 hours' WHERE session_id = 2;
SELECT is(pg_temp.at('nodes.total'), '1', 'after an hour it is gone');

-- ---- a large cluster
SELECT count(holdfast.set_hub('h' || i, 'demo', 'secret' || i, 'holdfast')) FROM generate_series(1, 100) i \gset _
SELECT count(holdfast.set_destination('d' || i, ARRAY['http://127.0.0.1:1/Thingworx'], 'app-key')) FROM generate_series(1, 100) i \gset _
SELECT count(pg_temp.member(i, 1)) FROM generate_series(3, 1000) i \gset _
SELECT count(pg_temp.partitions('h' || i, 100)) FROM generate_series(1, 100) i \gset _
DELETE FROM holdfast.ownership o USING holdfast.partition p WHERE p.partition_id = o.partition_id AND p.owner_session_id IS NULL;
SELECT holdfast.place_free() \gset _
INSERT INTO holdfast.partition_head (partition_id, last_sequence, last_enqueued_ms, reported_at)
SELECT p.partition_id, p.partition_id, 5000, now() FROM holdfast.partition p ON CONFLICT DO NOTHING;
UPDATE holdfast.checkpoint k SET sequence = 1, event_offset = '1', enqueued_ms = k.partition_id % 4000 + 1;
INSERT INTO holdfast.node_report (node, session_id, reported_at, stats)
SELECT s.node, s.session_id, clock_timestamp(), jsonb_build_object('events_per_second', 1, 'note', repeat('x', 2000),
       'destinations', (SELECT jsonb_object_agg('d' || i, 'ok') FROM generate_series(1, 10) i),
       'hubs', (SELECT jsonb_object_agg('h' || i, CASE WHEN s.session_id % 2 = 0 THEN 'up' ELSE repeat('<&>', 500) END) FROM generate_series(1, 10) i))
  FROM holdfast.session s WHERE s.ended_at IS NULL ON CONFLICT DO NOTHING;
INSERT INTO holdfast.event_log (kind, message, detail) SELECT 'x', repeat('m', 1000), repeat('d', 4000) FROM generate_series(1, 1000);
ANALYZE holdfast.partition, holdfast.checkpoint, holdfast.session, holdfast.partition_head, holdfast.node_report;
SELECT is(pg_temp.at('nodes.total'), '999', 'a thousand nodes');
SELECT cmp_ok(pg_temp.at('partitions.total')::int, '>=', 10000, 'ten thousand partitions');
SELECT cmp_ok(octet_length(holdfast.status_page(20, false)::text), '<', 60000, 'and a page as small as ever');
SELECT is(jsonb_array_length(pg_temp.page() #> ARRAY[part, 'rows']), 20, 'twenty ' || part) FROM unnest(ARRAY['nodes', 'partitions', 'hubs', 'destinations']) part;
SELECT is((SELECT array_agg((r ->> 'lag_ms')::bigint ORDER BY n) FROM jsonb_array_elements(pg_temp.page() #> '{partitions,rows}') WITH ORDINALITY AS x (r, n)
            WHERE r ->> 'state' = 'owned'),
          (SELECT array_agg((r ->> 'lag_ms')::bigint ORDER BY (r ->> 'lag_ms')::bigint DESC) FROM jsonb_array_elements(pg_temp.page() #> '{partitions,rows}') r
            WHERE r ->> 'state' = 'owned'), 'the worst first');
CREATE FUNCTION pg_temp.took() RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    began constant timestamptz := clock_timestamp();
BEGIN
    PERFORM holdfast.status_page(20, false);
    RETURN round(extract(epoch FROM clock_timestamp() - began) * 1000, 1);
END
$$;
SELECT diag('1,000 nodes, 10,000 partitions: ' || (SELECT min(pg_temp.took()) FROM generate_series(1, 3)) || ' ms');
SELECT cmp_ok((SELECT min(pg_temp.took()) FROM generate_series(1, 3)), '<', 2000::numeric, 'it does not become quadratic');

SELECT * FROM finish();
ROLLBACK;
