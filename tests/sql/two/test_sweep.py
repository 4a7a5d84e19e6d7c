"""Deaths: watch, sweep, leave, the next term, and the races between them."""

import threading
import time

import psycopg2
import pytest

from members import ROLE, wait_for


def terminate(cluster, pid):
    assert cluster.admin.one("SELECT pg_terminate_backend(%s)", pid)


def in_thread(call):
    box = {}

    def run():
        try:
            box["value"] = call()
        except psycopg2.Error as error:
            box["error"] = error
        box["at"] = time.monotonic()
    thread = threading.Thread(target=run)
    thread.start()
    return thread, box


def test_watch_alone_and_waiting(cluster):
    a = cluster.join("a", ttl_ms=60000)
    assert a.watch_once() == "alone"
    b = cluster.join("b", ttl_ms=60000)
    began = time.monotonic()
    assert b.watch_once(200) == "waiting"
    assert time.monotonic() - began > 0.15
    began = time.monotonic()
    assert a.watch_once(60000) == "waiting", "never longer than deadlock_timeout"
    assert time.monotonic() - began < 30, "which is a second; machines may be busy"


def test_watch_says_died_within_milliseconds(cluster):
    # So long that the death wakes it, and no time-out, however busy the machine is.
    cluster.admin.rows(f"ALTER ROLE {ROLE} SET deadlock_timeout = '100s'")
    try:
        a, b = cluster.join("a"), cluster.join("b")
    finally:
        cluster.admin.rows(f"ALTER ROLE {ROLE} RESET deadlock_timeout")
    thread, box = in_thread(lambda: b.watch_once(80000))
    cluster.wait_blocked(b.watch.pid)
    began = time.monotonic()
    terminate(cluster, a.lease.pid)
    thread.join()
    assert box["value"] == "died"
    print(f"said after {(box['at'] - began) * 1000:.1f} ms")
    assert box["at"] - began < 40


def test_sweep_opens_the_next_term_and_takes_over(cluster):
    a, b, c = (cluster.join(name, ttl_ms=60000) for name in "abc")
    cluster.report(a, partitions=6)
    old = a.assignment()
    a_token = a.leader_token
    assert cluster.counts() == {"a": 2, "b": 2, "c": 2}
    kept = {name: set(member.assignment()) for name, member in (("b", b), ("c", c))}
    a.kill()
    assert wait_for(lambda: b.watch_once(700) == "died")
    mine = b.call("sweep")
    assert b.poll()[4] is True and b.leader_token > a_token
    assert cluster.counts() == {"b": 3, "c": 3}
    assert {row[0] for row in mine} == set(b.assignment())
    assert kept["b"] < set(b.assignment()) and kept["c"] < set(c.assignment()), "nothing else moved"
    now = {**b.assignment(), **c.assignment()}
    assert all(now[p][0] > old[p][0] for p in old)
    assert cluster.admin.one("SELECT end_reason FROM term WHERE token = %s", a_token) == "died"
    assert cluster.errors() == []


def test_sweep_and_watch_refuse_the_lease_connection(cluster):
    a = cluster.join("a")
    for call in ("sweep(%s)", "watch(%s, 10)", f"tend(%s, {a.leader_token})"):
        with pytest.raises(psycopg2.Error) as caught:
            a.lease.rows(f"SELECT holdfast.{call}", a.key)
        assert caught.value.pgcode == "HF004"
        assert caught.value.diag.message_hint
    assert a.poll()[4] is True


def test_two_sweeps_at_once(cluster):
    members = [cluster.join(name, ttl_ms=60000) for name in "abcd"]
    cluster.report(members[0], partitions=8)
    members[0].kill()
    blocker = psycopg2.connect(cluster.dsn)
    blocker.cursor().execute("SELECT FROM holdfast.cluster FOR UPDATE")
    threads = [in_thread(lambda m=member: m.call("sweep")) for member in members[1:]]
    cluster.wait_blocked(*(member.work.pid for member in members[1:]))
    blocker.rollback()
    for thread, box in threads:
        thread.join()
        assert "error" not in box
    blocker.close()
    assert cluster.admin.one("SELECT count(*) FROM session WHERE end_reason = 'died'") == 1
    assert cluster.admin.one("SELECT count(*) FROM term") == 2
    assert sum(cluster.counts().values()) == 8
    assert cluster.errors() == []


def test_sweep_with_nothing_to_do_does_not_queue(cluster):
    a = cluster.join("a")
    cluster.report(a)
    blocker = psycopg2.connect(cluster.dsn)
    blocker.cursor().execute("SELECT FROM holdfast.cluster FOR UPDATE")
    a.work.rows("SET statement_timeout = 20000")
    assert len(a.call("sweep")) == 4
    assert cluster.report(a) == 0
    blocker.rollback()
    blocker.close()


def test_sweep_ends_what_is_left_of_the_dead(cluster):
    a, b = cluster.join("a", ttl_ms=60000), cluster.join("b", ttl_ms=60000)
    cluster.report(b_leader(a, b), partitions=2)
    a.work.raw.autocommit = False
    a.work.rows("SELECT 1")
    terminate(cluster, a.lease.pid)
    assert wait_for(lambda: b.watch_once(700) == "died")
    b.call("sweep")
    assert wait_for(lambda: cluster.admin.one(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%s)", [a.watch.pid, a.work.pid]) == 0)


def b_leader(*members):
    return next(member for member in members if member.poll()[4])


def test_stale_key_changes_nothing(cluster):
    a, b = cluster.join("a", ttl_ms=60000), cluster.join("b", ttl_ms=60000)
    cluster.report(a, partitions=2)
    (partition, (token, _)), = a.assignment().items()
    terminate(cluster, a.lease.pid)
    assert wait_for(lambda: b.watch_once(700) == "died")
    zombie = cluster.node("zombie").work
    b.call("sweep")
    before = cluster.admin.rows("SELECT * FROM checkpoint ORDER BY 1"), cluster.owners()
    for call, arguments in (
            ("save_checkpoints", ([partition], [token], ["9"], [9], [9])),
            ("release", (partition, token)), ("keep", (partition, token, "r")),
            ("decline", (partition, token, "r")), ("report", ("{}", [], [], [])), ("leave", ()),
            ("sweep", ()), ("assignment", ()), ("poll", ()), ("tend", (1,)),
            ("report_hub", (1, "demo", "e", 1, ["0"])), ("watch", (10,))):
        casts = {"save_checkpoints": "%s, %s, %s, %s, %s::bigint[], %s::bigint[]",
                 "report": "%s, %s::jsonb, %s::int[], %s::bigint[], %s::bigint[]"}
        marks = casts.get(call, ", ".join(["%s"] * (len(arguments) + 1)))
        with pytest.raises(psycopg2.Error) as caught:
            zombie.rows(f"SELECT holdfast.{call}({marks})", a.key, *arguments)
        assert caught.value.pgcode == "HF002", call
    assert before == (cluster.admin.rows("SELECT * FROM checkpoint ORDER BY 1"), cluster.owners())


def test_save_that_waited_for_a_take_over_is_stale(cluster):
    """The fence under concurrency: the old owner's UPDATE waits on the row that is taken over."""
    a, b = cluster.join("a", ttl_ms=60000), cluster.join("b", ttl_ms=60000)
    cluster.report(a, partitions=2)
    partition, (token, _) = next(iter(a.assignment().items()))
    assert a.save(partition, token, 5) == "saved"
    thief = psycopg2.connect(cluster.dsn)
    with thief.cursor() as cursor:
        cursor.execute("SELECT holdfast.lock_cluster()")
        cursor.execute("SELECT holdfast.grant_partitions(%s, %s, 'forced')", ([partition], [b.id]))
        thread, box = in_thread(lambda: a.save(partition, token, 6))
        cluster.wait_blocked(a.work.pid)
        assert not box
    thief.commit()
    thread.join()
    thief.close()
    assert box["value"] == "stale_token"
    assert cluster.admin.one("SELECT sequence FROM checkpoint WHERE partition_id = %s", partition) == 5


def test_leave_hands_over_at_once(cluster):
    a, b = cluster.join("a", ttl_ms=60000), cluster.join("b", ttl_ms=60000)
    cluster.report(a, partitions=4)
    b.work.rows("LISTEN holdfast")
    a.call("leave")
    assert b.poll()[3:5] == (1, True)
    assert len(b.assignment()) == 4
    b.work.rows("SELECT 1")
    assert {n.payload for n in b.work.raw.notifies} == {
        "members", f"leader {b.id}", f"assignment {b.id}"}
    rows = cluster.admin.rows("SELECT during, end_reason FROM term ORDER BY token")
    assert rows[0][1] == "left" and rows[0][0].upper <= rows[1][0].lower
    assert cluster.errors() == []


def test_leave_of_the_last_node_leaves_everything_free_and_fenced(cluster):
    a = cluster.join("a")
    cluster.report(a, partitions=2)
    a.call("leave")
    assert set(cluster.owners().values()) == {None}
    assert cluster.admin.rows("SELECT DISTINCT token FROM checkpoint") == [(None,)]
    b = cluster.join("b")
    assert len(b.assignment()) == 2 and b.poll()[4]


def test_idle_session_timeout_ends_a_silent_session(cluster):
    ttl = 5
    a, b = cluster.join("a", ttl_ms=ttl * 1000), cluster.join("b", ttl_ms=60000)
    cluster.report(a, partitions=2)
    began = time.monotonic()
    while time.monotonic() - began < ttl + 0.5:
        spoke = time.monotonic()
        a.ping()
        assert b.watch_once(100) == "waiting"
    assert wait_for(lambda: b.watch_once(700) == "died")
    silent = time.monotonic() - spoke
    print(f"noticed {silent - ttl:.3f} s after the time to live")
    assert silent >= ttl
    b.call("sweep")
    assert cluster.counts() == {"b": 2}


def test_reopened_connections_are_known_to_the_sweep(cluster):
    a = cluster.join("a", ttl_ms=60000)
    old = a.watch.pid, a.work.pid
    spare = cluster.node("spare")
    a.watch.close()
    a.work.close()
    a.watch, a.work = spare.watch, spare.work
    a.poll()
    a.watch_once(10)
    new = cluster.admin.row("SELECT watch_pid, work_pid FROM session WHERE session_id = %s", a.id)
    assert new == (a.watch.pid, a.work.pid) != old


def test_leader_ends_a_lease_backend_that_hangs(cluster):
    a, b = cluster.join("a", ttl_ms=60000), cluster.join("b", ttl_ms=1500)
    thread, box = in_thread(lambda: b.lease.rows("SELECT pg_sleep(120)"))
    # The leader believes only what it has watched for itself: clocks jump.
    wait_for(lambda: a.tend() and "error" in box, step=0.05)
    thread.join(60)
    assert "error" in box
    assert wait_for(lambda: a.tend() and a.poll()[3] == 1)


def test_a_clock_that_jumps_ahead_ends_no_lease(cluster):
    a, b = cluster.join("a", ttl_ms=60000), cluster.join("b", ttl_ms=60000)
    a.tend()
    # As if an hour had passed since then, without a ping.
    a.work.rows("SELECT set_config('holdfast.leases_seen', jsonb_set(current_setting("
                "'holdfast.leases_seen')::jsonb, '{at}', to_jsonb(now() - interval '1 hour'))::text,"
                " false)")
    a.tend()
    assert b.lease.one("SELECT 1") == 1
    assert a.poll()[3] == 2


def test_what_a_clock_that_steps_back_puts_off_is_done_now(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=2)
    b = cluster.join("b", ttl_ms=60000)
    cluster.admin.rows("UPDATE cluster SET rebalance_at = now() + interval '1 hour',"
                       " reserved_until = now() + interval '1 hour'")
    cluster.admin.rows("UPDATE partition SET move_again_at = now() + interval '1 hour'")
    cluster.admin.rows("INSERT INTO decline (session_id, hub, until, reason)"
                       " SELECT session_id, hub.name, now() + interval '1 hour', 'away'"
                       " FROM session, hub WHERE node = 'b'")
    a.tend()
    a.tend()
    assert cluster.admin.row("SELECT rebalance_at <= clock_timestamp() IS NOT FALSE,"
                             " reserved_until <= clock_timestamp() FROM cluster") == (True, True)
    assert cluster.admin.one("SELECT count(*) FROM decline") == 0
    assert cluster.admin.one("SELECT count(*) FROM partition WHERE move_again_at > now()") == 0
    assert cluster.admin.one("SELECT count(*) FROM partition WHERE state = 'releasing'") == 1, (
        "one of the two moves to the node that has joined")
    assert b.poll()[3] == 2


def test_terms_never_overlap_when_the_clock_steps_back(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=1)
    # As if both had begun, and the last ones ended, in what is now the future.
    cluster.admin.rows("UPDATE term SET during = tstzrange(now() + '1 hour', NULL)")
    cluster.admin.rows("UPDATE ownership SET during = tstzrange(now() + '1 hour', NULL)")
    cluster.join("b", ttl_ms=60000)
    a.call("leave")
    for table in ("term", "ownership"):
        first, second = cluster.admin.rows(f"SELECT during FROM {table} ORDER BY token")
        assert not first[0].isempty and first[0].upper <= second[0].lower


def test_what_queued_ends_when_it_ends_and_not_when_the_call_began(cluster):
    """now() is the time at which the transaction began: whoever had to wait would date back, and
    history would name a leader who did not lead yet."""
    a, b = cluster.join("a", ttl_ms=60000), cluster.join("b", ttl_ms=60000)
    cluster.report(a, partitions=1)
    blocker = psycopg2.connect(cluster.dsn)
    blocker.cursor().execute("SELECT FROM holdfast.cluster FOR UPDATE")
    thread, box = in_thread(lambda: a.call("leave"))
    cluster.wait_blocked(a.work.pid)
    assert not box, "it waits"
    still_a = cluster.admin.one("SELECT clock_timestamp()")
    blocker.rollback()
    blocker.close()
    thread.join()
    assert "error" not in box
    assert b.poll()[4] is True
    for table in ("term", "ownership"):
        (closed,), (opened,) = cluster.admin.rows(f"SELECT during FROM {table} ORDER BY token")
        assert still_a < closed.upper <= opened.lower, table
