-- Ten thousand partitions over a thousand nodes. The limits are ten times what a quiet machine takes
-- (it prints what this one took): they are to catch a plan that has become quadratic.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/members.sql
SELECT count(holdfast.set_hub('h' || i, 'demo', 'secret' || i, 'holdfast')) FROM generate_series(1, 10) i \gset _
SELECT count(pg_temp.member(i, 1 + i % 3)) FROM generate_series(1, 1000) i \gset _
SELECT count(pg_temp.partitions('h' || i, 1000)) FROM generate_series(1, 10) i \gset _
SELECT holdfast.lock_cluster() \gset _
ANALYZE holdfast.partition, holdfast.checkpoint, holdfast.session;

CREATE FUNCTION pg_temp.took(statement text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    began constant timestamptz := clock_timestamp();
BEGIN
    EXECUTE statement;
    RETURN round(extract(epoch FROM clock_timestamp() - began) * 1000, 1);
END
$$;
CREATE FUNCTION pg_temp.within(limit_ms numeric, statement text, what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    took constant numeric := pg_temp.took(statement);
BEGIN
    RETURN NEXT diag(what || ': ' || took || ' ms');
    RETURN NEXT tap.cmp_ok(took, '<', limit_ms, what);
END
$$;

SELECT pg_temp.within(4000, 'SELECT holdfast.place_free()', '10,000 partitions given to 1,000 nodes');
SELECT is((SELECT count(*) FROM holdfast.partition WHERE owner_session_id IS NULL), 0::bigint, 'all of them');
SELECT is_empty('SELECT * FROM holdfast.quotas() WHERE held <> quota', 'balanced');
SELECT count(pg_temp.member(1000 + i, 1 + i % 3)) FROM generate_series(1, 100) i \gset _
SELECT pg_temp.within(2000, 'SELECT holdfast.plan_and_move()', '100 more nodes: moves planned and begun');
SELECT is_empty('SELECT * FROM holdfast.quotas() WHERE held <> quota', 'to a balance');
SELECT is((SELECT count(*) FROM holdfast.partition WHERE state = 'releasing'),
          (SELECT sum(quota)::bigint FROM holdfast.quotas() WHERE session_id > 1000), 'with as many moves as the new ones need');
SELECT pg_temp.within(6000, $$SELECT holdfast.end_sessions((SELECT array_agg(i) FROM generate_series(1, 500) i), 'died'), holdfast.place_free()$$,
                      'half of the old nodes die at once');
SELECT is((SELECT count(*) FROM holdfast.partition p JOIN holdfast.session s ON s.session_id = p.owner_session_id
            WHERE s.ended_at IS NULL), 10000::bigint, 'everything has a live owner');
SELECT pg_temp.within(1000, $$SELECT holdfast.end_sessions(ARRAY[600], 'died'), holdfast.place_free()$$, 'one more dies');
SELECT is(pg_temp.errors(), 0::bigint, 'nothing is amiss');

SELECT * FROM finish();
ROLLBACK;
