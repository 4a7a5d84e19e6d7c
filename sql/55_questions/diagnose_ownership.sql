-- diagnose_ownership()
-- Purpose: findings about who owns what: what must never be (error), and what nobody serves.
-- Returns: a row per finding: severity (error, warning, notice), subject, error, detail, hint.
-- Calls: placeable, quotas, setting_ms, ms.
-- Tables: session, node, partition, lease, checkpoint, ownership, term, pin, pause, decline, token,
--         incarnation_live (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.diagnose_ownership()
RETURNS TABLE (severity text, subject text, error text, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_fault constant text := 'This is a fault of Holdfast: please report it, with the rows of holdfast.events since then.';
    v_live  constant bigint := (SELECT count(*) FROM session s WHERE s.ended_at IS NULL);
    v_able  constant bigint := (SELECT count(*) FROM quotas() q WHERE q.weight > 0);
BEGIN
    RETURN QUERY
    SELECT 'error', format('partition %s/%s', p.hub, p.partition), format('It belongs to session %s, which has ended', p.owner_session_id),
           'Nobody delivers it.', v_fault || ' move_partition() gives it to a live node.'
      FROM partition p
      LEFT JOIN session s ON s.session_id = p.owner_session_id AND s.ended_at IS NULL
     WHERE p.owner_session_id IS NOT NULL AND s.session_id IS NULL
    UNION ALL
    SELECT 'error', format('lease %s', l.name), format('It belongs to session %s, which has ended', l.session_id),
           'Nobody does what this lease is for.', v_fault
      FROM lease l
      LEFT JOIN session s ON s.session_id = l.session_id AND s.ended_at IS NULL
     WHERE l.session_id IS NOT NULL AND s.session_id IS NULL
    UNION ALL
    SELECT 'error', format('partition %s/%s', p.hub, p.partition), 'Its token is not that of its checkpoint',
           format('Token %s, generation %s; in its checkpoint %s and %s.', coalesce(p.token::text, 'none'), p.generation,
                  coalesce(c.token::text, 'none'), coalesce(c.generation::text, 'none')), v_fault
      FROM partition p
      LEFT JOIN checkpoint c ON c.partition_id = p.partition_id
     WHERE p.token IS DISTINCT FROM c.token OR c.partition_id IS NULL OR p.generation <> c.generation
    UNION ALL
    SELECT 'error', format('partition %s/%s', p.hub, p.partition), 'Its open ownership does not match its owner and token',
           format('Session %s under token %s; in its history %s and %s.', coalesce(p.owner_session_id::text, 'none'),
                  coalesce(p.token::text, 'none'), coalesce(o.session_id::text, 'none'), coalesce(o.token::text, 'none')), v_fault
      FROM partition p
      LEFT JOIN ownership o ON o.partition_id = p.partition_id AND upper_inf(o.during)
     WHERE p.owner_session_id IS DISTINCT FROM o.session_id
        OR (p.owner_session_id IS NOT NULL AND p.token IS DISTINCT FROM o.token)
    UNION ALL
    SELECT 'error', format('lease %s', l.name), 'Its open term does not match its holder and token',
           format('Session %s under token %s; in its history %s and %s.', coalesce(l.session_id::text, 'none'),
                  coalesce(l.token::text, 'none'), coalesce(t.session_id::text, 'none'), coalesce(t.token::text, 'none')), v_fault
      FROM lease l
      LEFT JOIN term t ON t.lease = l.name AND upper_inf(t.during)
     WHERE l.session_id IS DISTINCT FROM t.session_id OR l.token IS DISTINCT FROM t.token
    UNION ALL
    SELECT 'error', 'sequence token', 'Tokens were given that the sequence does not know',
           format('It stands at %s, the highest token given is %s.', t.last_value, g.token),
           'If the sequence was set by hand, set it back: SELECT setval(''holdfast.token'', <the highest token + 1>). If not: ' || v_fault
      FROM token t
     CROSS JOIN (SELECT max(x.token) AS token FROM (SELECT p.token FROM partition p UNION ALL SELECT l.token FROM lease l) x) g
     WHERE g.token > t.last_value
    UNION ALL
    SELECT 'warning', 'sequence session_number', 'The numbers of sessions come to their end',
           format('It stands at %s of 2147483647; each join takes one, and none is used twice.', n.last_value),
           'Find out which node joins so often; before the end comes, move to a new database.'
      FROM session_number n WHERE n.last_value > 2000000000
    UNION ALL
    SELECT 'warning', 'cluster', 'No node is live',
           format('%s partitions wait.', (SELECT count(*) FROM placeable())),
           'Start a node, and read its log if it does not join.'
     WHERE v_live = 0 AND EXISTS (SELECT FROM placeable())
    UNION ALL
    SELECT 'warning', 'cluster', 'All live nodes are drained',
           format('%s nodes are live; partitions without an owner stay without one.', v_live),
           'SELECT holdfast.undrain_node(node) FROM holdfast.nodes WHERE state = ''drained'' lets them work again.'
     WHERE v_live > 0 AND v_able = 0
    UNION ALL
    SELECT 'warning', 'lease leader', 'Nobody leads', format('%s nodes are live, and none holds the lease.', v_live),
           'A sweep of any live node opens the next term; if this stays, read the nodes'' logs.'
     WHERE v_live > 0 AND EXISTS (SELECT FROM lease l WHERE l.name = 'leader' AND l.session_id IS NULL)
    UNION ALL
    SELECT 'warning', format('hub %s', a.hub), format('%s partitions have no owner', count(*)),
           format('The longest since %s.%s', date_trunc('second', min(greatest(p.free_since, p.registered_at))),
                  CASE WHEN bool_or(a.reserved) THEN ' Some are reserved for nodes that have not come back after the restart of the database.' ELSE '' END),
           'A live node''s sweep places them within a second: if this stays, look at the other findings and at the leader''s log.'
      FROM placeable() a
      JOIN partition p ON p.partition_id = a.partition_id
     WHERE a.present IS NULL AND v_able > 0
       AND greatest(p.free_since, p.registered_at) < clock_timestamp() - ms(setting_ms('ttl_ms') + 1000)
     GROUP BY a.hub
    UNION ALL
    SELECT 'warning', format('partition %s/%s', p.hub, p.partition), 'Its move is overdue, and nobody calls it off',
           format('It should have ended at %s.', date_trunc('second', p.move_deadline)),
           'The leader does that within a second: see whether there is one, and its log.'
      FROM partition p WHERE p.move_deadline < clock_timestamp() - interval '5 seconds'
    UNION ALL
    SELECT 'notice', CASE WHEN a.partition = '' THEN format('hub %s', a.hub) ELSE format('partition %s/%s', a.hub, a.partition) END,
           'It is paused', format('By %s since %s: %s', a.paused_by, date_trunc('second', a.paused_at), a.reason),
           CASE WHEN a.partition = '' THEN format('SELECT holdfast.resume_hub(%L) lets it be read again; what the hub deletes before is lost.', a.hub)
                ELSE format('SELECT holdfast.resume_partition(%L, %L) lets it be read again; what the hub deletes before is lost.', a.hub, a.partition) END
      FROM pause a
    UNION ALL
    SELECT 'notice', format('partition %s/%s', p.hub, p.partition), 'It is not where it is pinned',
           format('%s pinned it to node %s; %s.', i.pinned_by, i.node,
                  CASE WHEN s.session_id IS NULL THEN 'the node is not live'
                       WHEN n.drained_at IS NOT NULL THEN 'the node is drained'
                       WHEN a.partition_id IS NULL THEN 'it is paused, or its hub is disabled'
                       WHEN a.fixed THEN 'it is moving, or its last move was called off'
                       ELSE 'the node has declined the hub, or the leader is about to move it' END),
           format('It goes there by itself when that ends; SELECT holdfast.unpin_partition(%L, %L) ends the pin.', p.hub, p.partition)
      FROM pin i
      JOIN partition p ON p.partition_id = i.partition_id
      JOIN node n ON n.name = i.node
      LEFT JOIN session s ON s.node = i.node AND s.ended_at IS NULL
      LEFT JOIN placeable() a ON a.partition_id = i.partition_id
     WHERE s.session_id IS NULL OR p.owner_session_id IS DISTINCT FROM s.session_id
    UNION ALL
    SELECT 'notice', format('node %s', n.name), 'It is drained', format('Since %s it gets no partitions.', date_trunc('second', n.drained_at)),
           format('SELECT holdfast.undrain_node(%L) lets it work again.', n.name)
      FROM node n
      JOIN session s ON s.node = n.name AND s.ended_at IS NULL
     WHERE n.drained_at IS NOT NULL;
END
$$;
COMMENT ON FUNCTION holdfast.diagnose_ownership() IS 'Internal: findings about who owns what';
