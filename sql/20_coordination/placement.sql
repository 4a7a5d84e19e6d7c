-- placement(rebalance, fall_back)
-- Purpose: who shall get which partition, decided and not applied. Sticky, with the fewest moves:
--          what is pinned goes to its node; every session keeps what it has up to its quota; what is
--          free, and what is too much, is numbered, the free places are numbered, and equal numbers
--          meet. Set-based, because ten thousand partitions over a thousand nodes must not take seconds.
-- Parameters: rebalance: also move what sessions have beyond their quota (planned moves); false: only
--             partitions without an owner. fall_back: when every session that could serve a hub has
--             declined it, give it to one of them all the same; false: leave it free.
-- Returns: per partition that should go to another session: from (null: it has no owner), to, why.
--          What is reserved after a restart of the database, already moving, or was called off a
--          moment ago, stays where it is.
-- Planned on a table whose statistics are old, a statement here can look so dear that it would be
-- compiled first, for 300 ms: hence jit, here and wherever placement() is called.
-- Calls: placeable, quotas.   Tables: session, decline (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.placement(rebalance boolean, fall_back boolean)
RETURNS TABLE (partition_id int, from_session int, to_session int, reason text)
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_now   constant timestamptz := clock_timestamp();
    v_ids   int[];     -- partitions to place, in the order of placing,
    v_hubs  text[];    -- their hubs
    v_from  int[];     -- and present owners
    v_slots int[];     -- a session for every free place, least filled first
    v_able  int[];     -- sessions that may own anything
    v_fit   int[];     -- those of them that serve the hub at hand
    v_used  bigint[];
    v_done  text[] := '{}';
    v_hub   text;
    v_got   int[];
    v_to    int[];
    v_lost  int[];
BEGIN
    IF EXISTS (SELECT FROM pin) THEN
        RETURN QUERY
            SELECT a.partition_id, a.present, a.target, 'it is pinned to node ' || s.node
              FROM placeable() a
              JOIN session s ON s.session_id = a.target
             WHERE a.pinned AND a.target IS DISTINCT FROM a.present AND (placement.rebalance OR a.present IS NULL);
    END IF;

    WITH q AS MATERIALIZED (SELECT * FROM quotas()),
    active AS MATERIALIZED (SELECT * FROM placeable()),
    ranked AS (
        SELECT a.*, row_number() OVER (PARTITION BY a.target ORDER BY a.fixed DESC, a.pinned DESC, a.partition_id) AS rank
          FROM active a
         WHERE a.target IS NOT NULL AND placement.rebalance),
    loose AS (
        SELECT a.partition_id, a.hub, NULL::int AS owner
          FROM active a
         WHERE a.target IS NULL AND NOT a.reserved
        UNION ALL
        SELECT r.partition_id, r.hub, r.target
          FROM ranked r
          JOIN q ON q.session_id = r.target
         WHERE r.rank > q.quota AND NOT r.fixed AND NOT r.pinned)
    SELECT array_agg(l.partition_id), array_agg(l.hub), array_agg(l.owner),
           (SELECT array_agg(q.session_id) FROM q WHERE q.weight > 0),
           (SELECT coalesce(array_agg(q.session_id ORDER BY (k - 0.5::float8) / q.weight, q.session_id), '{}')
              FROM q
             CROSS JOIN LATERAL generate_series(q.held + 1, q.quota) AS k
             WHERE q.weight > 0)
      INTO v_ids, v_hubs, v_from, v_able, v_slots
      FROM (SELECT * FROM loose ORDER BY hub, partition_id) l;
    IF v_ids IS NULL OR v_able IS NULL THEN
        RETURN;
    END IF;

    -- Hubs that somebody has declined are rare: one by one, over the sessions that serve them.
    FOR v_hub IN
        SELECT DISTINCT d.hub
          FROM decline d
         WHERE d.until > v_now AND d.session_id = ANY (v_able) AND d.hub = ANY (v_hubs)
         ORDER BY d.hub
    LOOP
        v_done := v_done || v_hub;
        SELECT array_agg(a.session_id) INTO v_fit
          FROM unnest(v_able) AS a (session_id)
         WHERE NOT EXISTS (SELECT FROM decline d
                            WHERE d.session_id = a.session_id AND d.hub = v_hub AND d.until > v_now);
        IF v_fit IS NULL THEN
            CONTINUE WHEN NOT placement.fall_back;
            v_fit := v_able;
        END IF;

        WITH loose AS (
            SELECT l.id, l.owner, row_number() OVER (ORDER BY l.nr) AS n
              FROM unnest(v_ids, v_hubs, v_from) WITH ORDINALITY AS l (id, hub, owner, nr)
             WHERE l.hub = v_hub),
        slots AS (
            SELECT s.session_id, s.nr, row_number() OVER (ORDER BY s.nr) AS n
              FROM unnest(v_slots) WITH ORDINALITY AS s (session_id, nr)
             WHERE s.session_id = ANY (v_fit)),
        paired AS (
            SELECT l.id, l.owner, s.session_id, s.nr FROM loose l LEFT JOIN slots s USING (n)),
        -- No place is left: it stays with an owner that serves it, else goes around the others.
        over AS (
            SELECT p.id, p.owner, row_number() OVER (ORDER BY p.id) - 1 AS n
              FROM paired p
             WHERE p.session_id IS NULL AND (p.owner IS NULL OR p.owner <> ALL (v_fit))),
        placed AS (
            SELECT p.id, p.owner, p.session_id, p.nr FROM paired p WHERE p.session_id IS NOT NULL
            UNION ALL
            SELECT o.id, o.owner, v_fit[1 + o.n % cardinality(v_fit)], NULL FROM over o)
        SELECT array_agg(p.id), array_agg(p.owner), array_agg(p.session_id),
               array_agg(p.nr) FILTER (WHERE p.nr IS NOT NULL)
          INTO v_got, v_lost, v_to, v_used
          FROM placed p;

        RETURN QUERY
            SELECT r.id, r.owner, r.session_id,
                   CASE WHEN r.owner IS NULL THEN 'it has no owner' ELSE 'its node declined the hub or has too many' END
              FROM unnest(v_got, v_lost, v_to) AS r (id, owner, session_id);
        SELECT coalesce(array_agg(s.session_id ORDER BY s.nr), '{}') INTO v_slots
          FROM unnest(v_slots) WITH ORDINALITY AS s (session_id, nr)
         WHERE s.nr <> ALL (coalesce(v_used, '{}'));
    END LOOP;

    RETURN QUERY
        WITH loose AS (
            SELECT l.id, l.owner, row_number() OVER (ORDER BY l.nr) AS n
              FROM unnest(v_ids, v_hubs, v_from) WITH ORDINALITY AS l (id, hub, owner, nr)
             WHERE l.hub <> ALL (v_done))
        SELECT l.id, l.owner, s.session_id,
               CASE WHEN l.owner IS NULL THEN 'it has no owner'
                    WHEN l.owner <> ALL (v_able) THEN 'its node is drained or has declined its hubs'
                    ELSE 'its node has more than its share' END
          FROM loose l
          JOIN unnest(v_slots) WITH ORDINALITY AS s (session_id, nr) ON s.nr = l.n;
END
$$;
COMMENT ON FUNCTION holdfast.placement(boolean, boolean) IS 'Internal: who shall get which partition, decided and not applied';
