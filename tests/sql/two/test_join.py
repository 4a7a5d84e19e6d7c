"""join: who may, what it refuses, what it adopts."""

import threading
import time

import psycopg2
import pytest

from members import TTL_MS, wait_for


def sqlstate(call):
    with pytest.raises(psycopg2.Error) as caught:
        call()
    error = caught.value
    assert error.diag.message_primary and error.diag.message_detail and error.diag.message_hint
    return error.pgcode


def test_first_join_leads_and_owns(cluster):
    a = cluster.join("a")
    assert a.poll()[4] is True
    assert cluster.report(a, partitions=4) == 4
    assert len(a.assignment()) == 4
    assert cluster.errors() == []


def test_refuses_wrong_protocol_ttl_and_connections(cluster):
    a = cluster.node("a")

    def refused(watch, work, name="a", protocol=1, ttl_ms=TTL_MS):
        return sqlstate(lambda: a.lease.row(
            "SELECT * FROM holdfast.join(%s, %s, 'v', NULL, NULL, 1, %s, %s, %s)", name, protocol, ttl_ms,
            watch.pid, work.pid))

    assert refused(a.watch, a.work, protocol=2) == "HF003"
    assert refused(a.watch, a.work, ttl_ms=TTL_MS // 2) == "HF005"
    assert refused(a.watch, a.watch) == "HF004"
    assert refused(a.lease, a.work) == "HF004"
    assert refused(a.watch, a.work, name="") == "22023"
    a.join()
    assert sqlstate(a.join) == "HF004"


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_refuses_a_transaction_that_sees_only_its_beginning(cluster, level):
    a = cluster.node("a")
    a.lease.rows(f"SET default_transaction_isolation = '{level}'")
    assert sqlstate(a.join) == "HF005"
    a.lease.rows("RESET default_transaction_isolation")
    assert a.join().poll()


def test_connection_of_another_role_is_refused(cluster):
    a = cluster.node("a")
    join = f"SELECT * FROM holdfast.join('a', 1, 'v', NULL, NULL, 1, {TTL_MS}, %s, %s)"
    assert sqlstate(lambda: a.lease.row(join, a.watch.pid, cluster.admin.pid)) == "HF004"


def test_set_inside_a_session_is_no_lease(cluster):
    a = cluster.node("a")
    a.ttl_ms = TTL_MS // 2
    a.lease.rows(f"SET idle_session_timeout = {a.ttl_ms}")
    assert sqlstate(a.join) == "HF005"


def test_live_name_is_refused_after_one_ttl(cluster):
    a = cluster.join("a")
    second = cluster.node("a", ttl_ms=1500)
    assert sqlstate(second.join) == "HF001"
    assert a.poll()


def test_restart_of_a_killed_node_waits_for_nobody(cluster):
    a, b = cluster.join("a", ttl_ms=60000), cluster.join("b", ttl_ms=60000)
    cluster.report(a, partitions=4)
    before = {p for p, owner in cluster.owners().items() if owner == "b"}
    assert len(before) == 2
    old = b.assignment()
    b.close()  # the server may not have noticed when it comes back
    again = cluster.join("b", ttl_ms=60000)
    assert set(again.assignment()) == before
    assert all(again.assignment()[p][0] > old[p][0] for p in before), "fresh tokens without the key"
    assert cluster.errors() == []


def test_previous_key_keeps_the_tokens(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=4)
    old = a.assignment()
    a.kill()
    again = cluster.join("a", ttl_ms=60000, previous_key=a.key)
    assert again.assignment() == old
    how = cluster.admin.rows("SELECT DISTINCT how FROM ownership WHERE upper_inf(during)")
    assert how == [("adopted",)]
    assert cluster.errors() == []


def test_wrong_previous_key_gets_fresh_tokens(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=2)
    old = a.assignment()
    a.kill()
    again = cluster.join("a", previous_key="00000000-0000-0000-0000-000000000001")
    assert set(again.assignment()) == set(old)
    assert all(again.assignment()[p][0] > old[p][0] for p in old)


def test_own_key_replaces_a_session_that_is_still_live(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=2)
    old = a.assignment()
    again = cluster.join("a", previous_key=a.key)
    assert again.assignment() == old
    assert wait_for(lambda: cluster.admin.one(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%s)",
        [a.lease.pid, a.watch.pid, a.work.pid]) == 0)
    assert cluster.admin.one("SELECT end_reason FROM session WHERE session_id = %s", a.id) == "replaced"


def test_highest_token_lifts_the_sequence(cluster):
    high = int(time.time() * 1e6) + 10**12
    a = cluster.join("a", highest_token=high)
    assert a.leader_token > high


def test_a_dead_join_leaves_no_row(cluster):
    a = cluster.node("a")
    a.lease.raw.autocommit = False
    a.join()
    a.lease.close()
    b = cluster.join("b")
    assert b.poll()[3] == 1
    assert cluster.admin.rows("SELECT node FROM session WHERE ended_at IS NULL") == [("b",)]


def later(call):
    box = {}

    def run():
        try:
            box["value"] = call()
        except psycopg2.Error as error:
            box["error"] = error.pgcode
    thread = threading.Thread(target=run)
    thread.start()
    return thread, box


def test_waits_for_a_name_whose_holder_is_dying(cluster):
    a = cluster.join("a", ttl_ms=60000)
    second = cluster.node("a")
    thread, box = later(second.join)
    cluster.wait_blocked(second.lease.pid)
    assert not box
    cluster.admin.rows("SELECT pg_terminate_backend(%s)", a.lease.pid)
    thread.join(60)
    assert "value" in box and second.poll()[4]


def test_two_joins_of_one_name_at_once(cluster):
    blocker = psycopg2.connect(cluster.dsn)
    blocker.cursor().execute("SELECT FROM holdfast.cluster FOR UPDATE")
    nodes = [cluster.node("a", ttl_ms=60000) for _ in range(2)]
    tries = [later(node.join) for node in nodes]
    cluster.wait_blocked(*(node.lease.pid for node in nodes))  # neither has seen the other
    blocker.rollback()
    blocker.close()
    for thread, _ in tries:
        thread.join(60)
    assert sorted("value" if "value" in box else box["error"] for _, box in tries) == ["HF001", "value"]
    assert cluster.admin.one("SELECT count(*) FROM session WHERE ended_at IS NULL") == 1


def test_many_joins_at_once(cluster):
    nodes = [cluster.node(f"n{i}", ttl_ms=60000) for i in range(12)]
    tries = [later(node.join) for node in nodes]
    for thread, box in tries:
        thread.join(60)
        assert "value" in box
    assert len({node.id for node in nodes}) == 12
    assert cluster.admin.one("SELECT count(*) FROM term") == 1
    cluster.report(next(node for node in nodes if node.poll()[4]), partitions=24)
    assert set(cluster.counts().values()) == {2}
    assert cluster.errors() == []


@pytest.fixture
def no_autovacuum(cluster):
    """Its snapshots keep what is dead."""
    def running():
        return cluster.admin.one("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'autovacuum%%'")
    cluster.admin.rows("ALTER SYSTEM SET autovacuum = off")
    cluster.admin.rows("SELECT pg_reload_conf()")
    assert wait_for(lambda: running() == 0)
    yield
    cluster.admin.rows("ALTER SYSTEM RESET autovacuum")
    cluster.admin.rows("SELECT pg_reload_conf()")


def test_checkpoints_stay_hot(cluster, no_autovacuum):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=50)
    grants = [(p, t) for p, (t, _) in a.assignment().items()]
    for sequence in range(1, 201):
        saved = a.call("save_checkpoints", [p for p, _ in grants], [t for _, t in grants],
                       [str(sequence)] * 50, [sequence] * 50, [sequence] * 50)
        assert {outcome for _, outcome in saved} == {"saved"}
    # One page holds the fifty rows and their dead versions; ten thousand updates that were not HOT
    # take more than thirty.
    assert cluster.admin.one("SELECT pg_relation_size('checkpoint') / 8192") <= 20
