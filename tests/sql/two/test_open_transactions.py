"""An administrator who leaves a transaction open holds up nobody but other administrators."""

import threading

import psycopg2
import pytest

from members import Connection, wait_for


@pytest.fixture
def forgotten(cluster):
    """A connection in the middle of a transaction: begin(text) says what it has done so far."""
    connection = Connection(cluster.dsn)
    connection.raw.autocommit = False

    def begin(text):
        connection.rows("SET LOCAL search_path = holdfast, public")
        connection.rows(text)
        return connection
    yield begin
    connection.close()


def impatient(connection):
    """What waits for the open transaction fails, long before the test does."""
    connection.rows("SET statement_timeout = '10s'")
    return connection


def waits_for_a_lock(cluster, connection):
    return cluster.admin.one("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s",
                             connection.pid) == "Lock"


def letters(cluster, node, count):
    """Dead letters of a partition that the node owns, to be replayed."""
    partition, (token, _) = next(iter(node.assignment().items()))
    for sequence in range(count):
        node.value("add_dead_letters", [partition], [token], ["d"], [""], ["0"], [sequence], [1000],
                   ["refused"], [""], [""], [psycopg2.Binary(b"{}")], [1])
    cluster.admin.rows("SELECT replay_dead_letters()")
    return [row[0] for row in cluster.admin.rows("SELECT dead_letter_id FROM dead_letter ORDER BY 1")]


def test_a_join_that_waits_for_an_administrator_waits_alone(cluster, forgotten):
    a, b, c = (cluster.join(name, ttl_ms=60000) for name in "abc")
    cluster.report(a, partitions=6)
    forgotten("SELECT drain_node('b')")
    b.kill()
    again = cluster.node("b", ttl_ms=60000)
    impatient(again.lease)
    joining = threading.Thread(target=again.join)
    joining.start()
    try:
        assert wait_for(lambda: waits_for_a_lock(cluster, again.lease))
        c.kill()
        assert wait_for(lambda: c.id in cluster.admin.one("SELECT dead_sessions()"))
        impatient(a.watch).rows("SELECT * FROM holdfast.sweep(%s)", a.key)
        assert set(cluster.owners().values()) == {"a"}
    finally:
        forgotten("ROLLBACK")
        joining.join()
    assert again.id is not None


@pytest.mark.parametrize("change", [
    "SELECT set_hub('demo', 'f', 'another', 'elsewhere', 'latest', true)",
    "SELECT pause_hub('demo', 'r')",
    "SELECT drain_node('a'), set_capacity('b', 5)",
    "SELECT move_partition('demo', '0', 'a'), move_partition('demo', '1', 'b', pin => true)",
    "SELECT set_setting('ttl_ms', '2000')",
    "SELECT set_fleet('f', 'd', 'T-{device}'), bind_device('f', 'x', 'y')"])
def test_no_change_that_is_not_committed_holds_up_a_take_over(cluster, forgotten, change):
    a, b, c = (cluster.join(name, ttl_ms=60000) for name in "abc")
    cluster.report(a, partitions=6)
    cluster.admin.rows("SELECT move_partition('demo', '0', 'b')")
    forgotten(change)
    for line in (a.work, a.watch, b.work):
        impatient(line)
    a.tend()
    partition, (token, _) = next(iter(b.assignment().items()))
    assert b.value("decline", partition, token, "r")
    cluster.report(a, partitions=8)
    c.kill()
    assert wait_for(lambda: c.id in cluster.admin.one("SELECT dead_sessions()"))
    a.watch.rows("SELECT * FROM holdfast.sweep(%s)", a.key)
    assert set(cluster.owners().values()) <= {"a", "b"}
    assert cluster.errors() == []


def test_a_hub_that_is_looked_at_is_not_dropped_under_the_lock_of_the_cluster(cluster, forgotten):
    a, b = (cluster.join(name, ttl_ms=60000) for name in "ab")
    cluster.report(a, partitions=4)
    cluster.add_hub("other", enabled=False)
    forgotten("SELECT pause_hub('other', 'r')")
    dropping = Connection(cluster.dsn)
    impatient(dropping)
    waiting = threading.Thread(target=dropping.rows, args=("SELECT holdfast.drop_hub('other')",))
    waiting.start()
    try:
        assert wait_for(lambda: waits_for_a_lock(cluster, dropping))
        b.kill()
        assert wait_for(lambda: b.id in cluster.admin.one("SELECT dead_sessions()"))
        impatient(a.watch).rows("SELECT * FROM holdfast.sweep(%s)", a.key)
        assert set(cluster.owners().values()) == {"a"}
    finally:
        forgotten("COMMIT")
        waiting.join()
        dropping.close()
    assert cluster.admin.one("SELECT count(*) FROM hub WHERE name = 'other'") == 0


def test_who_holds_the_cluster_and_goes_away_is_thrown_out(cluster, forgotten):
    a, b = (cluster.join(name, ttl_ms=60000) for name in "ab")
    cluster.report(a, partitions=4)
    open_one = forgotten("SELECT reset_checkpoint('demo', '0', start_at => 'earliest')")
    b.kill()
    impatient(a.watch).rows("SELECT * FROM holdfast.sweep(%s)", a.key)
    assert set(cluster.owners().values()) == {"a"}
    with pytest.raises(psycopg2.OperationalError):
        open_one.rows("SELECT 1")


def test_a_node_does_not_wait_for_bindings_that_are_being_made(cluster, forgotten):
    a = cluster.join("a", ttl_ms=60000)
    impatient(a.work)
    forgotten("SELECT bind_device('f', 'new', 'thing')")
    with pytest.raises(psycopg2.errors.LockNotAvailable) as caught:
        a.call("resolve", "f", ["new", "other"], ["", ""])
    assert caught.value.diag.message_detail and caught.value.diag.message_hint
    forgotten("COMMIT")
    assert dict((row[0], row[2]) for row in a.call("resolve", "f", ["new", "other"], ["", ""])) == {
        "new": "thing", "other": "other"}


def test_a_node_does_not_wait_for_a_rule_that_is_being_changed(cluster, forgotten):
    a = cluster.join("a", ttl_ms=60000)
    impatient(a.work)
    forgotten("SELECT set_fleet('f', 'd', 'T-{device}')")
    with pytest.raises(psycopg2.errors.LockNotAvailable):
        a.call("resolve", "f", ["new"], [""])
    forgotten("COMMIT")
    assert a.call("resolve", "f", ["new"], [""])[0][2] == "T-new"


def test_a_node_does_not_wait_for_dead_letters_that_are_being_given_up(cluster, forgotten):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=1)
    impatient(a.work)
    first, *rest = letters(cluster, a, 3)
    forgotten(f"SELECT discard_dead_letters(ARRAY[{first}])")
    with pytest.raises(psycopg2.errors.LockNotAvailable) as caught:
        a.call("claim_dead_letters", 10)
    assert caught.value.diag.message_detail and caught.value.diag.message_hint
    forgotten("COMMIT")
    assert [row[0] for row in a.call("claim_dead_letters", 10)] == rest
