"""A new life of the database server: reservations, adoption, tokens that jump."""

import time

import psycopg2
import pytest

from members import TTL_MS


def crowd(cluster, partitions=9):
    members = [cluster.join(name) for name in "abc"]
    cluster.report(members[0], partitions=partitions)
    return members


def test_nothing_moves_when_all_come_back(cluster):
    old = crowd(cluster)
    before = cluster.owners()
    grants = {m.name: m.assignment() for m in old}
    leader_token = old[0].leader_token
    cluster.new_incarnation()
    # In another order, and without any partition's new owner in between.
    new = {m.name: cluster.join(m.name, previous_key=m.key) for m in reversed(old)}
    assert cluster.owners() == before
    assert {name: m.assignment() for name, m in new.items()} == grants, "same timeline, same tokens"
    leader = next(m for m in new.values() if m.poll()[4])
    assert leader.name == "c", "leases are not reserved"
    assert leader.leader_token > leader_token
    assert leader.leader_token >= int((time.time() - 60) * 1e6)
    leader.tend()
    assert cluster.owners() == before
    assert cluster.admin.one("SELECT count(*) FROM incarnations") == 2
    assert cluster.errors() == []


def test_name_alone_gets_fresh_tokens(cluster):
    old = crowd(cluster)
    grants = old[0].assignment()
    cluster.new_incarnation()
    again = cluster.join("a")
    assert set(again.assignment()) == set(grants)
    assert all(again.assignment()[p][0] > grants[p][0] for p in grants)


def test_other_timeline_gets_fresh_tokens(cluster):
    old = crowd(cluster)
    grants = old[0].assignment()
    cluster.admin.rows("UPDATE incarnation_history SET timeline = timeline - 1")
    cluster.new_incarnation()
    again = cluster.join("a", previous_key=old[0].key)
    assert set(again.assignment()) == set(grants)
    assert all(again.assignment()[p][0] > grants[p][0] for p in grants)


def test_what_is_not_given_back_cannot_be_written(cluster):
    """The hub was disabled while the database was away: nobody owns its partitions any more, and the
    node that did writes nothing under its old tokens."""
    old = crowd(cluster)
    grants = old[0].assignment()
    cluster.admin.rows("UPDATE hub SET enabled = false WHERE name = 'demo'")
    cluster.new_incarnation()
    again = cluster.join("a", previous_key=old[0].key)
    assert again.assignment() == {}
    assert {again.save(p, token, 5) for p, (token, _) in grants.items()} == {"stale_token"}
    assert cluster.admin.one("SELECT count(*) FROM partition WHERE reserved_node = 'a'") == 0
    assert cluster.errors() == []


def test_reservation_ends_after_one_ttl(cluster):
    crowd(cluster)
    cluster.new_incarnation()
    a = cluster.join("a")
    assert len(a.assignment()) == 3
    a.tend()
    assert cluster.counts() == {"a": 3}
    states = dict(cluster.admin.rows("SELECT state, count(*)::int FROM partitions GROUP BY 1"))
    assert states == {"owned": 3, "reserved": 6}
    d = cluster.join("d")
    assert d.assignment() == {}, "a stranger gets none of them"
    a.tend()
    assert cluster.admin.one("SELECT count(*) FROM partition WHERE state = 'releasing'") == 0
    kept = cluster.admin.one("SELECT extract(epoch FROM c.reserved_until - i.began_at) * 1000"
                             " FROM cluster c, incarnation_live i")
    assert kept == TTL_MS
    cluster.admin.rows("UPDATE cluster SET reserved_until = clock_timestamp()")
    a.tend()
    assert sum(cluster.counts().values()) == 9
    assert cluster.admin.one("SELECT count(*) FROM partition WHERE reserved_node IS NOT NULL") == 0
    assert cluster.errors() == []


def test_a_session_of_the_old_life_is_told(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=1)
    (partition, (token, _)), = a.assignment().items()
    cluster.admin.rows("UPDATE incarnation_live SET postmaster_start = postmaster_start - interval '1 day'")
    with pytest.raises(psycopg2.Error) as caught:
        a.call("sweep")
    assert caught.value.pgcode == "HF002"
    cluster.admin.rows("TRUNCATE incarnation_live")
    for call in (lambda: a.save(partition, token, 1), a.poll):
        with pytest.raises(psycopg2.Error) as caught:
            call()
        assert caught.value.pgcode == "HF002"


def test_other_server_identity_begins_a_new_life(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.admin.rows("UPDATE incarnation_live SET system_identifier = '1'")
    a.kill()
    b = cluster.join("b")
    assert b.incarnation != a.incarnation
    assert cluster.admin.one("SELECT end_reason FROM session WHERE session_id = %s", a.id) == "restart"
