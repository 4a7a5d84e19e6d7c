"""The way to the database is cut: every session ends, and the nodes live on."""

from members import wait_for

LONG_MS = 600000  # no lease and no reservation ends by itself meanwhile


def crowd(cluster, partitions=9):
    members = [cluster.join(name, ttl_ms=LONG_MS) for name in "abc"]
    cluster.report(members[0], partitions=partitions)
    return members


def end(cluster, *members):
    for member in members:
        member.kill()
    ids = [member.id for member in members]
    assert wait_for(lambda: cluster.admin.one(
        "SELECT count(*) FROM session WHERE session_id = ANY (%s) AND session_id = ANY (dead_sessions())",
        ids) == len(ids))


def reserved(cluster):
    return cluster.admin.one("SELECT count(*)::int FROM partitions WHERE state = 'reserved'")


def test_nothing_moves_when_all_come_back(cluster):
    old = crowd(cluster)
    before = cluster.owners()
    grants = {m.name: m.assignment() for m in old}
    end(cluster, *old)
    new = {}
    for count, member in enumerate(reversed(old)):
        new[member.name] = cluster.join(member.name, ttl_ms=LONG_MS, previous_key=member.key)
        assert reserved(cluster) == 6 - 3 * count
    assert cluster.owners() == before
    assert {name: m.assignment() for name, m in new.items()} == grants, "under the same tokens"
    assert cluster.admin.rows("SELECT DISTINCT how FROM ownership WHERE upper_inf(during)") == [("adopted",)]
    new["c"].tend()
    assert cluster.owners() == before
    assert cluster.admin.one("SELECT count(*) FROM event_log WHERE message LIKE 'All sessions ended at once%%'") == 1
    assert cluster.errors() == []


def test_who_does_not_come_back_is_replaced_after_one_ttl(cluster):
    a, b, c = crowd(cluster)
    kept = {m.name: m.assignment() for m in (a, b, c)}
    end(cluster, a, b, c)
    again = cluster.join("a", ttl_ms=LONG_MS, previous_key=a.key)
    again.call("sweep")
    again.tend()
    assert cluster.counts() == {"a": 3}, "nor does a sweep take them"
    assert cluster.admin.one("SELECT reserved_until - clock_timestamp() BETWEEN '300 s' AND '600 s' FROM cluster")
    cluster.admin.rows("UPDATE cluster SET reserved_until = clock_timestamp()")
    again.tend()
    assert cluster.counts() == {"a": 9}
    tokens = again.assignment()
    assert all(tokens[p][0] > token for m in "bc" for p, (token, _) in kept[m].items()), "under fresh tokens"
    late = cluster.join("b", ttl_ms=LONG_MS, previous_key=b.key)
    assert {late.save(p, token, 5) for p, (token, _) in kept["b"].items()} == {"stale_token"}
    assert cluster.errors() == []


def test_the_dead_are_replaced_at_once_while_somebody_lives(cluster):
    a, b, c = crowd(cluster)
    end(cluster, a, b)
    again = cluster.join("a", ttl_ms=LONG_MS, previous_key=a.key)
    assert reserved(cluster) == 0
    assert set(cluster.counts()) == {"a", "c"} and sum(cluster.counts().values()) == 9
    assert again.assignment() and cluster.errors() == []


def test_a_process_that_is_new_proves_no_cut(cluster):
    """All processes have died, for all that anybody knows: what comes first takes all."""
    end(cluster, *crowd(cluster))
    cluster.join("a", ttl_ms=LONG_MS)
    assert cluster.counts() == {"a": 9}


def test_a_move_in_the_middle_stays_where_it_was_read(cluster):
    """The joiner was to get it: it must not inherit from an owner that reads on."""
    a, b = (cluster.join(name, ttl_ms=LONG_MS) for name in "ab")
    cluster.report(a, partitions=4)
    before = cluster.owners()
    moving = next(p for p, node in before.items() if node == "b")
    name = cluster.admin.one("SELECT partition FROM partition WHERE partition_id = %s", moving)
    token = b.assignment()[moving][0]
    cluster.admin.rows("SELECT move_partition('demo', %s, 'a')", name)
    a.tend()
    assert cluster.admin.one("SELECT state FROM partition WHERE partition_id = %s", moving) == "releasing"
    end(cluster, a, b)
    cluster.join("a", ttl_ms=LONG_MS, previous_key=a.key)
    again = cluster.join("b", ttl_ms=LONG_MS, previous_key=b.key)
    assert again.assignment()[moving][0] == token
    assert cluster.errors() == []
