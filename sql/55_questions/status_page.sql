-- status_page(row_limit, findings)
-- Purpose: what the status page of a node shows of the whole cluster, in a size that does not grow with it.
--          Only reads. Asked at most once a second by a node that somebody looks at.
-- Parameters: row_limit: how many nodes, partitions, hubs, destinations and reasons are listed at most, 1 to
--             200; findings: with those of diagnose(), which looks at the server's locks and is for people:
--             so now and then only.
-- Returns: an object: at_ms, leader (node, since_ms; null without one), nodes (page_nodes), partitions
--          (page_partitions), hubs, destinations, letters (page_delivery), events (the last 12; the newest
--          first), findings (total and up to 20 rows; null if not asked for), incarnation_ms. Ages and times
--          are in milliseconds, texts are cut. Members may be added, none is changed or taken away.
-- Errors: 22023 row_limit is none.
-- Calls: page_nodes, page_partitions, page_delivery, diagnose.   Reads: the view events.
-- Tables: lease, session, term, incarnation_live (read).
CREATE OR REPLACE FUNCTION holdfast.status_page(row_limit int, findings boolean) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    v_delivery json;
BEGIN
    IF row_limit IS NULL OR row_limit NOT BETWEEN 1 AND 200 THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = 'status_page() was called with a number of rows that it does not list',
            DETAIL = format('It was %s.', coalesce(row_limit::text, 'null')),
            HINT = 'Give a number from 1 to 200.';
    END IF;
    v_delivery := page_delivery(row_limit);
    RETURN json_build_object(
        'at_ms', round(extract(epoch FROM clock_timestamp()) * 1000)::bigint,
        'leader', (SELECT json_build_object('node', s.node,
                              'since_ms', round(extract(epoch FROM clock_timestamp() - lower(t.during)) * 1000)::bigint)
                     FROM lease l
                     JOIN session s ON s.session_id = l.session_id
                     JOIN term t ON t.lease = l.name AND t.token = l.token
                    WHERE l.name = 'leader'),
        'nodes', page_nodes(row_limit),
        'partitions', page_partitions(row_limit),
        'hubs', v_delivery -> 'hubs', 'destinations', v_delivery -> 'destinations', 'letters', v_delivery -> 'letters',
        'events', (SELECT coalesce(json_agg(json_build_object(
                              'ago_ms', round(extract(epoch FROM clock_timestamp() - e.at) * 1000)::bigint,
                              'kind', e.kind, 'text', left(e.sentence, 400)) ORDER BY e.event_id DESC), '[]')
                     FROM (SELECT x.* FROM events x ORDER BY x.event_id DESC LIMIT 12) e),
        'findings', CASE WHEN status_page.findings THEN
            (SELECT json_build_object('total', count(*), 'rows',
                        coalesce(json_agg(json_build_object('severity', d.severity, 'subject', left(d.subject, 200),
                                     'error', left(d.error, 200), 'detail', left(d.detail, 400), 'hint', left(d.hint, 400))
                                     ORDER BY d.n) FILTER (WHERE d.n <= 20), '[]'))
               FROM diagnose() WITH ORDINALITY AS d (severity, subject, error, detail, hint, n)) END,
        'incarnation_ms', (SELECT round(extract(epoch FROM clock_timestamp() - i.began_at) * 1000)::bigint
                             FROM incarnation_live i));
END
$$;
COMMENT ON FUNCTION holdfast.status_page(int, boolean) IS
    'What the status page of a node shows of the whole cluster: JSON of bounded size';
