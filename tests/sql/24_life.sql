-- A long random life (always the same one): whatever happens, the tables agree with each other, no
-- tokens repeat, and when it calms down the balance is right and stays.
BEGIN;
SET search_path = tap, public;
SELECT no_plan();
\ir fixtures/members.sql
SELECT pg_temp.partitions('demo', 17), pg_temp.partitions('other', 8), holdfast.lock_cluster() \gset _
SELECT holdfast.set_setting('decline_pass_over_ms', '20') \gset _

CREATE FUNCTION pg_temp.live() RETURNS SETOF int LANGUAGE sql AS
    $$ SELECT session_id FROM holdfast.session WHERE ended_at IS NULL ORDER BY random() $$;
CREATE FUNCTION pg_temp.step(number int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    dice    constant int := (random() * 13)::int;
    victims int[];
    mine    record;
BEGIN
    CASE
    WHEN dice <= 2 THEN
        PERFORM pg_temp.member(100 + number, 1 + (random() * 3)::int);
        UPDATE holdfast.cluster SET rebalance_at = clock_timestamp();
        PERFORM holdfast.place_free();
    WHEN dice = 3 THEN
        SELECT array_agg(id) INTO victims FROM (SELECT id FROM pg_temp.live() id LIMIT 1 + (random() * 2)::int) v;
        PERFORM holdfast.end_sessions(victims, CASE WHEN random() < 0.5 THEN 'died' ELSE 'left' END);
        PERFORM holdfast.place_free();
    WHEN dice <= 5 THEN
        PERFORM holdfast.plan_and_move();
    WHEN dice <= 7 THEN
        PERFORM holdfast.release(pg_temp.key(p.owner_session_id), p.partition_id, p.token)
           FROM holdfast.partition p WHERE p.state = 'releasing' AND random() < 0.7;
    WHEN dice = 8 THEN
        SELECT * INTO mine FROM holdfast.partition WHERE owner_session_id IS NOT NULL ORDER BY random() LIMIT 1;
        PERFORM holdfast.decline(pg_temp.key(mine.owner_session_id), mine.partition_id, mine.token, 'dice')
          WHERE mine.partition_id IS NOT NULL;
    WHEN dice = 9 THEN
        SELECT * INTO mine FROM holdfast.partition WHERE state = 'releasing' ORDER BY random() LIMIT 1;
        PERFORM holdfast.keep(pg_temp.key(mine.owner_session_id), mine.partition_id, mine.token, 'dice')
          WHERE mine.partition_id IS NOT NULL;
    WHEN dice = 10 THEN
        PERFORM CASE WHEN random() < 0.3 THEN holdfast.drain_node('n' || id) ELSE holdfast.undrain_node('n' || id) END
           FROM pg_temp.live() id LIMIT 1;
    WHEN dice = 11 THEN
        PERFORM CASE WHEN random() < 0.4 THEN holdfast.set_pause(p.hub, p.partition, 'dice')
                     ELSE holdfast.set_pause(p.hub, CASE WHEN random() < 0.2 THEN '' ELSE p.partition END, NULL) END
           FROM holdfast.partition p ORDER BY random() LIMIT 3;
    WHEN dice = 12 THEN
        PERFORM holdfast.move_partition(p.hub, p.partition, 'n' || id, random() < 0.7)
           FROM (SELECT * FROM holdfast.partition ORDER BY random() LIMIT 1) p, (SELECT id FROM pg_temp.live() id LIMIT 1) l;
        IF random() < 0.5 THEN
            DELETE FROM holdfast.pin WHERE random() < 0.5;
        END IF;
    ELSE
        IF random() < 0.2 THEN
            DELETE FROM holdfast.incarnation_live;
            PERFORM holdfast.open_incarnation('dice', 1000);
            UPDATE holdfast.cluster SET reserved_until = clock_timestamp() + interval '30 ms';
        END IF;
        PERFORM holdfast.place_free();
    END CASE;
    PERFORM holdfast.open_terms(NULL);
    RETURN (SELECT string_agg(d.subject || ': ' || d.error, '; ') FROM holdfast.diagnose() d WHERE d.severity = 'error');
END
$$;
SELECT setseed(0.42) \gset _
CREATE TEMP TABLE life AS SELECT i, pg_temp.step(i) AS problem FROM generate_series(1, 400) i;
SELECT is_empty('SELECT * FROM life WHERE problem IS NOT NULL', 'four hundred steps, nothing amiss after any');
SELECT cmp_ok((SELECT count(*) FROM holdfast.ownership), '>', 100::bigint, 'much has happened');
SELECT is_empty($$SELECT token FROM holdfast.ownership WHERE how <> 'adopted' GROUP BY token HAVING count(*) > 1$$, 'no token was given twice');
SELECT is_empty($$SELECT 1 FROM (SELECT partition_id, token, lag(token) OVER (PARTITION BY partition_id ORDER BY lower(during)) AS last
                    FROM holdfast.ownership) o WHERE token <= last$$, 'in time, tokens only grow');
SELECT is_empty($$SELECT 1 FROM (SELECT lease, token, lag(token) OVER (PARTITION BY lease ORDER BY lower(during)) AS last
                    FROM holdfast.term) o WHERE token <= last$$, 'those of terms too');
SELECT is_empty($$SELECT 1 FROM (SELECT lower(during) - lag(upper(during)) OVER (PARTITION BY lease ORDER BY during) AS gap FROM holdfast.term) t
                   WHERE gap < interval '0'$$, 'terms never overlap');

-- Calm.
SELECT pg_temp.member(1), pg_temp.member(2, 3) \gset _
DELETE FROM holdfast.decline;
DELETE FROM holdfast.pause;
DELETE FROM holdfast.pin;
UPDATE holdfast.partition SET move_again_at = NULL;
UPDATE holdfast.cluster SET reserved_until = clock_timestamp();
SELECT count(holdfast.undrain_node(node)) FROM holdfast.nodes \gset _
SELECT holdfast.plan_and_move(), pg_temp.release_all(), holdfast.plan_and_move(), pg_temp.release_all() \gset _
SELECT is_empty('SELECT * FROM holdfast.quotas() WHERE held <> quota', 'balanced in the end');
SELECT is(holdfast.plan_and_move(), 0, 'and it stays');
SELECT is((SELECT count(*) FROM holdfast.partition WHERE state = 'owned'), 25::bigint, 'everything has an owner');

SELECT * FROM finish();
ROLLBACK;
