"""Bindings and dead letters where two connections meet, with nodes that really joined."""

import threading

import psycopg2
import pytest

from members import Connection, wait_for

PATIENT_MS = 60000


@pytest.fixture
def nodes(cluster):
    """Two nodes that own two partitions of `demo` each."""
    one = cluster.join("one", ttl_ms=PATIENT_MS)
    two = cluster.join("two", ttl_ms=PATIENT_MS)
    cluster.report(one)
    assert cluster.counts() == {"one": 2, "two": 2}
    return one, two


class Later:
    """A statement in a thread of its own: whether it waits, and what it returned or raised."""

    def __init__(self, run):
        self.result = self.error = None
        self.thread = threading.Thread(target=self._run, args=(run,))
        self.thread.start()

    def _run(self, run):
        try:
            self.result = run()
        except psycopg2.Error as error:
            self.error = error

    def waits(self, cluster, pid):
        """Whether that backend, which runs it, has come to a lock that somebody holds."""
        observer = Connection(cluster.dsn)
        waiting = wait_for(lambda: not self.thread.is_alive() or observer.one(
            "SELECT cardinality(pg_blocking_pids(%s)) > 0", pid))
        observer.close()
        return waiting and self.thread.is_alive()

    def join(self):
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self


def keep(node, partition_id, token, sequence, reason="refused"):
    return node.value("add_dead_letters", [partition_id], [token], ["d"], [""], [str(sequence)],
                      [sequence], [1000], [reason], [""], [""], [psycopg2.Binary(b"{}")], [1])


def resolve(node, devices):
    return {row[0]: row[2] for row in node.call("resolve", "f", devices, [""] * len(devices))}


def owned(node):
    return sorted((partition, grant[0]) for partition, grant in node.assignment().items())


def test_a_take_over_fences_dead_letters(cluster, nodes):
    one, two = nodes
    partition_id, token = owned(one)[0]
    assert keep(one, partition_id, token, 1) == 1
    assert keep(two, partition_id, token, 2) == 0, "the token of another's grant"
    thief = Connection(cluster.dsn)
    thief.raw.autocommit = False
    thief.rows("UPDATE holdfast.partition SET owner_session_id = %s, token = token + 1000"
               " WHERE partition_id = %s", two.id, partition_id)
    late = Later(lambda: keep(one, partition_id, token, 3))
    assert late.waits(cluster, one.work.pid), "it cannot know before the take-over has committed or not"
    thief.raw.commit()
    assert late.join().result == 0 and late.error is None
    assert cluster.admin.rows("SELECT sequence FROM dead_letter") == [(1,)]
    thief.close()


def test_a_take_over_waits_for_dead_letters_on_their_way(cluster, nodes):
    one, two = nodes
    partition_id, token = owned(one)[0]
    one.work.raw.autocommit = False
    assert keep(one, partition_id, token, 1) == 1
    late = Later(lambda: cluster.admin.rows(
        "UPDATE partition SET token = token + 1000, owner_session_id = %s WHERE partition_id = %s",
        two.id, partition_id))
    assert late.waits(cluster, cluster.admin.pid)
    one.work.raw.commit()
    assert late.join().error is None


def test_a_new_rule_reaches_what_was_being_bound_by_the_old_one(cluster, nodes):
    one, two = nodes
    one.work.raw.autocommit = False
    assert resolve(one, ["a"]) == {"a": "a"}
    late = Later(lambda: cluster.admin.rows(
        "SELECT set_fleet('f', 'd', thing_template => 'site-{device}')"))
    assert late.waits(cluster, cluster.admin.pid)
    one.work.raw.commit()
    assert late.join().error is None
    assert resolve(two, ["a"]) == {"a": "site-a"}


def test_nodes_meet_the_same_new_devices_at_once(cluster, nodes):
    devices = [f"device{i}" for i in range(2000)]
    for round_number in range(5):
        batch = [f"{round_number}-{name}" for name in devices]
        both = [Later(lambda: resolve(nodes[0], batch)), Later(lambda: resolve(nodes[1], batch[::-1]))]
        answers = [later.join() for later in both]
        assert [later.error for later in answers] == [None, None]
        assert answers[0].result == answers[1].result == {name: name for name in batch}


def test_a_claim_ends_with_its_session(cluster, nodes):
    one, two = nodes
    partition_id, token = owned(one)[0]
    assert [keep(one, partition_id, token, sequence) for sequence in (2, 1)] == [1, 1]
    listener = Connection(cluster.dsn)
    listener.rows("LISTEN holdfast")
    assert cluster.admin.one("SELECT replay_dead_letters()") == 2

    def told():
        listener.raw.poll()
        return "replay" in [notice.payload for notice in listener.raw.notifies]
    assert wait_for(told), "nodes are told"
    assert one.poll()[6] and not two.poll()[6], "and see it when they poll"
    assert two.call("claim_replays", 10) == []
    assert [bytes(row[8]) for row in one.call("claim_replays", 10)] == [b"{}", b"{}"]
    assert one.call("claim_replays", 10) == []
    one.kill()
    assert wait_for(lambda: two.call("sweep") and len(owned(two)) == 4)
    again = two.call("claim_replays", 10)
    assert len(again) == 2, "the next owner replays them"
    two.call("settle_replays", [row[0] for row in again], ["delivered", "refused"], ["", "no such property"])
    assert cluster.admin.rows("SELECT state, detail FROM dead_letter ORDER BY sequence") == [
        ("replayed", ""), ("kept", "no such property")]
    assert not two.poll()[6]
    listener.close()


def test_a_hub_that_is_being_dropped_takes_no_partition_along(cluster, nodes):
    with pytest.raises(psycopg2.Error) as refused:
        cluster.admin.rows("SELECT drop_hub('demo')")
    assert refused.value.pgcode == "55006"
    assert cluster.counts() == {"one": 2, "two": 2}


def test_a_fleet_is_not_dropped_under_a_hub(cluster):
    setter = Connection(cluster.dsn)
    cluster.admin.rows("SELECT set_fleet('g', 'd')")
    setter.raw.autocommit = False
    setter.rows("SELECT holdfast.set_hub('new', 'g', 'secret-new', 'holdfast')")
    late = Later(lambda: cluster.admin.rows("SELECT drop_fleet('g')"))
    assert late.waits(cluster, cluster.admin.pid)
    setter.raw.commit()
    assert late.join().error.pgcode == "55006"
    setter.close()
