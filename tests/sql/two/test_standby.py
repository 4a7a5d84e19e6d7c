"""A synchronous standby that is wanted and away: grants wait, everything else goes on."""

import threading

import psycopg2
import pytest

from members import Connection, wait_for

PATIENT_MS = 60000
NOBODY = "holdfast_standby_that_is_away"


@pytest.fixture
def standby(cluster):
    """standby(names) sets synchronous_standby_names; no standby exists."""
    def want(names):
        if names:
            cluster.admin.rows("ALTER SYSTEM SET synchronous_standby_names = %s", names)
        else:
            cluster.admin.rows("ALTER SYSTEM RESET synchronous_standby_names")
        cluster.admin.rows("SELECT pg_reload_conf()")
        assert wait_for(lambda: cluster.admin.one(
            "SELECT current_setting('synchronous_standby_names')") == names)

    # What this connection itself commits must not wait.
    cluster.admin.rows("SET synchronous_commit = local")
    yield want
    want("")


def pair(cluster):
    a, b = (cluster.join(name, ttl_ms=PATIENT_MS) for name in "ab")
    cluster.report(a)
    assert wait_for(lambda: a.tend() and not cluster.admin.one("SELECT plan_is_due()"))
    return a, b


def everybody_knows(cluster):
    """Until every backend of a node has heard of the setting, which comes to one after the other."""
    wanted = cluster.admin.one("SELECT current_setting('synchronous_standby_names')")
    for member in cluster.members:
        for line in (member.lease, member.watch, member.work):
            assert line.raw.closed or wait_for(lambda line=line: line.one(
                "SELECT current_setting('synchronous_standby_names')") == wanted)


@pytest.mark.parametrize("names, missing", [
    ("", 0), (NOBODY, 1), ("*", 1), ("a, b", 1), ("2 (a, b)", 2), ("FIRST 2 (a, b, c)", 2),
    ("any 3 (a, b, c)", 3)])
def test_how_many_are_missing(cluster, standby, names, missing):
    standby(names)
    assert cluster.admin.one("SELECT standbys_missing()") == missing


def test_grants_are_refused_and_say_why(cluster, standby):
    a, b = pair(cluster)
    c = cluster.node("c", ttl_ms=PATIENT_MS)
    b.kill()
    standby(NOBODY)
    everybody_knows(cluster)
    before = cluster.admin.rows("SELECT * FROM ownership ORDER BY 1, 2"), cluster.owners()
    partition, (token, _) = next(iter(a.assignment().items()))
    guard = threading.Timer(120, lambda: standby(""))
    guard.start()
    for call in (c.join, lambda: a.call("sweep"), a.tend, lambda: a.call("leave"),
                 lambda: a.call("release", partition, token),
                 lambda: a.call("decline", partition, token, "r"),
                 lambda: cluster.report(a, partitions=9)):
        with pytest.raises(psycopg2.Error) as caught:
            call()
        assert caught.value.pgcode == "HF007"
        assert NOBODY in caught.value.diag.message_detail and caught.value.diag.message_hint
    guard.cancel()
    assert before == (cluster.admin.rows("SELECT * FROM ownership ORDER BY 1, 2"), cluster.owners())
    c.close()
    standby("")
    a.call("sweep")
    assert cluster.counts() == {"a": 4}
    assert cluster.errors() == []


def test_the_rest_goes_on(cluster, standby):
    """None of these may wait: checkpoints stand behind them on the same connection."""
    a, b = pair(cluster)
    partition, (token, _) = next(iter(b.assignment().items()))
    standby(NOBODY)
    everybody_knows(cluster)
    b.work.rows("SET statement_timeout = 30000")
    # A commit that waits for a standby knows no time-out: another one of the session ends it.
    waited = threading.Event()

    def end_the_wait():
        waited.set()
        standby("")
    guard = threading.Timer(120, end_the_wait)
    guard.start()
    try:
        everything_else(cluster, a, b, partition, token)
        assert not waited.is_set(), "something waited for the standby"
    finally:
        guard.cancel()
    assert cluster.admin.one("SELECT sequence FROM checkpoint WHERE partition_id = %s", partition) == 7


def everything_else(cluster, a, b, partition, token):
    assert b.save(partition, token, 7) == "saved"
    b.call("report", "{}", [partition], [9], [9])
    assert b.call("resolve", "f", ["fresh"], [""])
    letter = ([partition], [token], ["d"], [""], ["3"], [3], [1000], ["refused"], [""], [""],
              [psycopg2.Binary(b"{}")], [1])
    assert b.value("add_dead_letters", *letter) == 1
    cluster.admin.rows("SELECT replay_dead_letters()")
    (claimed,) = b.call("claim_replays", 10)
    b.call("settle_replays", [claimed[0]], ["delivered"], [""])
    b.call("report_event", "k", "s", "m", "d", "h")
    assert b.poll()[3] == 2 and b.assignment()
    cluster.admin.rows("UPDATE housekeeping SET done_at = '-infinity'")
    a.tend()


def test_diagnose_says_so(cluster, standby):
    pair(cluster)
    assert "synchronous_standby_names" not in [row[1] for row in cluster.admin.rows("SELECT * FROM diagnose()")]
    standby(NOBODY)
    (found,) = [row for row in cluster.admin.rows("SELECT * FROM diagnose()")
                if row[1] == "synchronous_standby_names"]
    assert found[0] == "warning" and "wait" in found[3] and "synchronous_standby_names" in found[4]


def test_a_cancelled_wait_is_not_acknowledged(cluster, standby):
    """The standby goes while a grant commits: who cancels the wait gets a commit that a fail-over may
    forget, with nothing but a warning (01000). The node's connection takes that for a failure; here
    it is shown that the warning comes, and that diagnose() sees who waits."""
    a, _ = pair(cluster)
    blocker = psycopg2.connect(cluster.dsn)
    blocker.cursor().execute("SELECT FROM holdfast.cluster FOR UPDATE")
    thread = threading.Thread(target=lambda: a.call("leave"))
    thread.start()
    assert wait_for(lambda: waiting(cluster, a.work.pid) in ("transactionid", "tuple"))
    standby(NOBODY)  # behind the look, before the commit
    assert wait_for(lambda: a_commit_waits(cluster))
    blocker.rollback()
    blocker.close()
    assert wait_for(lambda: waiting(cluster, a.work.pid) == "SyncRep")
    assert wait_for(lambda: any("commit waits" in row[2] for row in cluster.admin.rows(
        "SELECT * FROM diagnose()")))
    assert cluster.admin.one("SELECT ended_at FROM session WHERE session_id = %s", a.id) is None
    cluster.admin.rows("SELECT pg_cancel_backend(%s)", a.work.pid)
    thread.join(60)
    assert any("might not have been replicated" in notice for notice in a.work.raw.notices)
    assert cluster.admin.one("SELECT ended_at FROM session WHERE session_id = %s", a.id)


def waiting(cluster, pid):
    return cluster.admin.one("SELECT wait_event FROM pg_stat_activity WHERE pid = %s", pid)


def a_commit_waits(cluster):
    """Commits something, and cancels that when it waits: backends hear of the setting at once, but
    only the checkpointer makes commits wait."""
    probe = Connection(cluster.dsn)
    thread = threading.Thread(
        target=lambda: probe.rows("SELECT pg_logical_emit_message(true, 'test', '')"))
    thread.start()
    wait_for(lambda: not thread.is_alive() or waiting(cluster, probe.pid) == "SyncRep")
    found = waiting(cluster, probe.pid) == "SyncRep"
    cluster.admin.rows("SELECT pg_cancel_backend(%s)", probe.pid)
    thread.join()
    probe.close()
    return found
