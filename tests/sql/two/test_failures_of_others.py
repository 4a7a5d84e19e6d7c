"""Failures that other systems have had; docs/failures-of-others.md says who, and names further tests."""

import psycopg2
import pytest

from members import wait_for

PATIENT_MS = 60000


def crowd(cluster, names, partitions=12):
    members = [cluster.join(name, ttl_ms=PATIENT_MS) for name in names]
    cluster.report(members[0], partitions=partitions)
    quiet(cluster, members[0])
    return members


def finish_moves(cluster):
    """Owners release what they are asked for."""
    for member in cluster.members:
        if member.id is None or member.work.raw.closed:
            continue
        for partition, (token, state) in member.assignment().items():
            if state == "releasing":
                assert member.value("release", partition, token)


def quiet(cluster, leader):
    """Until nothing is planned and nothing moves."""
    def settled():
        leader.tend()
        finish_moves(cluster)
        return not cluster.admin.one("SELECT plan_is_due() OR EXISTS (SELECT FROM partition"
                                     " WHERE state <> 'owned')")
    assert wait_for(settled)


def leader_of(members):
    return next(member for member in members if member.poll()[4])


def test_a_restarted_node_does_not_wait_for_itself(cluster):
    """Its old session would live for a minute: the lock must be free because the socket is closed, or
    because the key proves that the caller is the same node."""
    a, b = crowd(cluster, "ab")
    owned = set(a.assignment())
    again = cluster.node("a", ttl_ms=PATIENT_MS)
    again.lease.rows("SET statement_timeout = 30000")
    again.join(previous_key=a.key)  # the old connections are still open
    assert set(again.assignment()) == owned
    again.close()  # the server may not have noticed when it comes back
    third = cluster.node("a", ttl_ms=PATIENT_MS)
    third.lease.rows("SET statement_timeout = 30000")
    third.join()
    assert wait_for(lambda: set(third.assignment()) | set(b.assignment()) and
                    sum(cluster.counts().values()) == 12)
    assert cluster.errors() == []


def test_a_newcomer_gets_its_share_in_one_plan(cluster):
    members = crowd(cluster, "abc")
    late = cluster.join("late", ttl_ms=PATIENT_MS)
    plans = cluster.admin.one("SELECT count(*) FROM event_log WHERE message = 'Planned moves began'")
    quiet(cluster, leader_of(members))
    assert cluster.counts() == {"a": 3, "b": 3, "c": 3, "late": 3}
    assert cluster.admin.one("SELECT count(*) FROM event_log WHERE message = 'Planned moves began'") \
        == plans + 1
    assert len(late.assignment()) == 3


def test_nothing_moves_twice_when_nothing_happens(cluster):
    """Ownership must not flap: not by planning again, not by sweeping, not by asking."""
    members = crowd(cluster, "abc", partitions=10)
    before = cluster.admin.one("SELECT count(*) FROM ownership")
    for _ in range(20):
        cluster.admin.rows("UPDATE cluster SET rebalance_at = clock_timestamp()")
        leader_of(members).tend()
        for member in members:
            member.call("sweep")
            member.poll()
    assert cluster.admin.one("SELECT count(*) FROM ownership") == before
    assert sorted(cluster.counts().values()) == [3, 3, 4]


def test_partitions_are_not_left_alone(cluster):
    """All nodes go, even in the middle of a move; whoever comes first has everything at once. A node
    that sweeps without success does it again."""
    a, b = crowd(cluster, "ab")
    cluster.admin.rows("SELECT drain_node('a')")
    leader_of([a, b]).tend()
    assert any(state == "releasing" for _token, state in a.assignment().values())
    cluster.admin.rows("SELECT undrain_node('a')")
    for member in (a, b):
        member.kill()
    c = cluster.join("c", ttl_ms=PATIENT_MS)
    assert wait_for(lambda: c.call("sweep") and cluster.counts() == {"c": 12})
    assert cluster.errors() == []


def test_a_zombie_cannot_set_a_checkpoint_back(cluster):
    a, b = crowd(cluster, "ab", partitions=2)
    (partition, (token, _)), = a.assignment().items()
    assert a.save(partition, token, 5) == "saved"
    zombie = cluster.node("zombie").work
    a.lease.close()  # the session is dead, its other connections live on
    assert wait_for(lambda: b.watch_once() == "died")
    b.call("sweep")
    fresh = b.assignment()[partition][0]
    assert b.save(partition, fresh, 9) == "saved"
    assert b.save(partition, fresh, 7) == "not_monotone"
    for key, its_token in ((a.key, token), (a.key, fresh), (b.key, token)):
        rows = None
        try:
            rows = zombie.rows("SELECT outcome FROM holdfast.save_checkpoints(%s, %s, %s, %s, %s, %s)",
                               key, [partition], [its_token], ["1"], [1], [1])
        except psycopg2.Error as error:
            assert error.pgcode == "HF002"
        assert rows in (None, [("stale_token",)])
    assert cluster.admin.one("SELECT sequence FROM checkpoint WHERE partition_id = %s", partition) == 9


def test_sessions_behind_a_pooler_end_with_their_key(cluster):
    """A pooler in transaction mode that was not found out keeps the backend with the lock. The session
    can be ended by its key from any connection, and the lock that stays is the lock of nobody."""
    a, b = crowd(cluster, "ab", partitions=4)
    pooled = cluster.node("pooled").work
    pooled.rows("SELECT holdfast.leave(%s)", a.key)
    assert cluster.counts() == {"b": 4}
    with pytest.raises(psycopg2.Error) as caught:
        a.poll()
    assert caught.value.pgcode == "HF002"
    with pytest.raises(psycopg2.Error) as caught:  # nobody can join on the backend with that lock
        a.lease.rows("SELECT holdfast.join('x', 1, 'test', NULL, NULL, 1, %s, %s, %s)", PATIENT_MS,
                     a.watch.pid, a.work.pid)
    assert caught.value.pgcode == "HF004"
    assert cluster.errors() == []
