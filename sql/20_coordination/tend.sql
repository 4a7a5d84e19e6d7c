-- tend(session_key, leader_token)
-- Purpose: the leader's duty, on a timer: ends lease backends that hang, sweeps, calls overdue moves
--          off, carries out administrators' wishes, plans and begins moves, prunes history,
--          makes and drops partitions of dead letters.
-- Parameters: session_key: the caller's; leader_token: of its term.
-- Returns: milliseconds until it should be called again (sooner is harmless; call it also on a notice
--          `members` or `config`).
-- Errors: HF002 the session has ended; HF004 on a lease connection; HF006 not the leader; HF007 the
--         synchronous standby is away.
-- Calls: session_of, refuse_on_lease, require_leader, end_hung_leases, notice_clock_step, sweep_dead, lock_cluster,
--        call_off, plan_and_move, tend_dead_letters, prune_history.
-- Tables: housekeeping (update), cluster, partition, session (read).
CREATE OR REPLACE FUNCTION holdfast.tend(session_key uuid, leader_token bigint) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = holdfast, pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    v_id      constant int := session_of(session_key);
    v_overdue int[];
    v_busy    boolean;
    v_pruned  bigint;
    v_again   int;
BEGIN
    PERFORM refuse_on_lease('tend');
    PERFORM require_leader(v_id, leader_token);
    -- Checkpoints wait behind this call: only what lock_cluster() guards waits for a standby.
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM end_hung_leases();
    PERFORM notice_clock_step();
    v_busy := sweep_dead(v_id);
    IF NOT EXISTS (SELECT FROM session s WHERE s.session_id = v_id AND s.ended_at IS NULL) THEN
        RETURN 1000; -- The sweep found the caller's own lease gone; its next call is told so.
    END IF;

    IF EXISTS (SELECT FROM partition p WHERE p.move_deadline <= clock_timestamp()) THEN
        v_busy := true;
        PERFORM lock_cluster();
        SELECT array_agg(p.partition_id) INTO v_overdue
          FROM partition p WHERE p.move_deadline <= clock_timestamp();
        PERFORM call_off(coalesce(v_overdue, '{}'), 'the owner did not release them before the deadline');
    END IF;

    IF plan_is_due() THEN
        v_busy := true;
        PERFORM lock_cluster();
        PERFORM require_leader(v_id, leader_token);
        PERFORM plan_and_move();
    END IF;

    IF NOT v_busy AND EXISTS (SELECT FROM housekeeping h
                               WHERE h.task = 'dead_letters' AND h.done_at < clock_timestamp() - interval '10 minutes') THEN
        v_busy := true; -- Its locks are not to be held for as long as the next one takes.
        v_again := tend_dead_letters();
        UPDATE housekeeping h
           SET done_at = clock_timestamp() - (600 - v_again) * interval '1 second'
         WHERE h.task = 'dead_letters';
    END IF;

    -- Every ten minutes, and again at once while there is more than one call may take; never while
    -- this transaction holds the lock on cluster, for which others wait.
    IF NOT v_busy AND EXISTS (SELECT FROM housekeeping h
                               WHERE h.task = 'prune' AND h.done_at < clock_timestamp() - interval '10 minutes') THEN
        v_pruned := prune_history();
        UPDATE housekeeping h
           SET done_at = CASE WHEN v_pruned < 10000 THEN clock_timestamp() ELSE h.done_at END
         WHERE h.task = 'prune';
    END IF;

    RETURN (
        SELECT greatest(10, least(1000, ceil(extract(epoch FROM least(
                   -- What is due and waits for the end of the reservations is not due before it.
                   CASE WHEN c.rebalance_at > clock_timestamp() THEN c.rebalance_at END,
                   CASE WHEN c.reserved_until > clock_timestamp() THEN c.reserved_until END,
                   (SELECT min(p.move_deadline) FROM partition p WHERE p.move_deadline IS NOT NULL))
               - clock_timestamp()) * 1000)))::int
          FROM cluster c);
END
$$;
COMMENT ON FUNCTION holdfast.tend(uuid, bigint) IS 'The leader''s duty: sweep, overdue moves, plan, housekeeping; returns when to call again';
