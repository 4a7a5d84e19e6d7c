"""Planned moves: balance, few of them, release, keep, decline, drain, wishes, overdue ones."""

import pytest

from members import wait_for


def move_all(*members):
    """Every owner releases what it is asked to."""
    moved = 0
    for member in members:
        for partition, (token, state) in member.assignment().items():
            if state == "releasing":
                assert member.value("release", partition, token)
                moved += 1
    return moved


def test_growth_moves_as_little_as_possible(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=9)
    b = cluster.join("b", ttl_ms=60000)
    c = cluster.join("c", ttl_ms=60000, capacity=1)
    assert cluster.counts() == {"a": 9}, "nothing moves by a join"
    assert len(cluster.admin.rows("SELECT * FROM plan WHERE state = 'planned'")) == 6
    a.tend()
    assert len(cluster.admin.rows("SELECT * FROM plan WHERE state = 'under way'")) == 6
    assert cluster.admin.rows("SELECT * FROM plan WHERE state = 'planned'") == []
    tokens = {p: t for p, (t, _) in a.assignment().items()}
    assert move_all(a) == 6
    assert cluster.counts() == {"a": 3, "b": 3, "c": 3}
    assert all(t == tokens[p] for p, (t, _) in a.assignment().items()), "what stays keeps its token"
    assert all(t > tokens[p] for m in (b, c) for p, (t, _) in m.assignment().items())
    a.tend()
    assert move_all(a, b, c) == 0
    assert cluster.errors() == []


def test_capacity_counts(cluster):
    a = cluster.join("a", ttl_ms=60000, capacity=1)
    cluster.join("b", ttl_ms=60000, capacity=3)
    cluster.report(a, partitions=8)
    assert cluster.counts() == {"a": 2, "b": 6}
    cluster.admin.rows("SELECT set_capacity('a', 3)")
    a.tend()
    assert cluster.admin.one("SELECT count(*) FROM partition WHERE state = 'releasing'") == 2


def test_growth_is_coalesced(cluster):
    """The delay is long enough for any machine; that it has passed is written down."""
    def delay_passes():
        cluster.admin.rows("UPDATE cluster SET rebalance_at = clock_timestamp()"
                           " WHERE rebalance_at > clock_timestamp()")
    cluster.admin.rows("SELECT set_setting('rebalance_delay_ms', '60000')")
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=4)
    delay_passes()
    a.tend()
    b = cluster.join("b", ttl_ms=60000)
    due = cluster.admin.one("SELECT extract(epoch FROM c.rebalance_at - s.joined_at) FROM cluster c, session s"
                            " WHERE s.node = 'b'")
    assert 60 <= due < 120
    a.tend()
    assert move_all(a, b) == 0
    delay_passes()
    a.tend()
    assert move_all(a, b) == 2


def test_successor_dies_owner_resumes(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=4)
    b = cluster.join("b", ttl_ms=60000)
    a.tend()
    version = a.poll()[1]
    b.kill()
    assert wait_for(lambda: a.watch_once(700) == "died")
    a.call("sweep")
    assert {state for _, state in a.assignment().values()} == {"owned"}
    assert a.poll()[1] > version
    assert cluster.errors() == []


def test_owner_dies_successor_inherits(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=4)
    b, c = cluster.join("b", ttl_ms=60000), cluster.join("c", ttl_ms=60000)
    a.tend()
    heirs = dict(cluster.admin.rows(
        "SELECT partition_id, successor_session_id FROM partition WHERE state = 'releasing'"))
    assert len(heirs) == 2 or len(heirs) == 3
    a.kill()
    assert wait_for(lambda: b.watch_once(700) == "died")
    b.call("sweep")
    owners = dict(cluster.admin.rows("SELECT partition_id, owner_session_id FROM partition"))
    assert all(owners[p] == heir for p, heir in heirs.items())
    assert cluster.counts() == {"b": 2, "c": 2}
    assert cluster.errors() == []


def test_release_of_a_stale_token_or_a_called_off_move(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=2)
    b = cluster.join("b", ttl_ms=60000)
    a.tend()
    partition, token = next((p, t) for p, (t, state) in a.assignment().items() if state == "releasing")
    assert a.value("release", partition, token - 1) is False
    assert b.value("release", partition, token) is False
    assert a.value("keep", partition, token - 1, "no") is False
    assert a.value("keep", partition, token, "a request hangs") is True
    assert a.value("release", partition, token) is False
    assert a.assignment()[partition] == (token, "owned")
    cluster.admin.rows("UPDATE cluster SET rebalance_at = now()")
    a.tend()
    assert a.assignment()[partition] == (token, "owned"), "not asked again at once"
    assert cluster.counts() == {"a": 2}


@pytest.mark.parametrize("pinned", ["b", "c"])
def test_a_move_that_was_called_off_is_forgotten_with_its_owner(cluster, pinned):
    """A partition whose owner has died goes where it belongs, not when its move would be tried again."""
    a, b, c = (cluster.join(name, ttl_ms=60000) for name in "abc")
    cluster.report(a, partitions=3)
    (partition, (token, _)), = a.assignment().items()
    cluster.admin.rows("SELECT move_partition(hub, partition, %s, true) FROM partition WHERE partition_id = %s",
                       pinned, partition)
    a.tend()
    assert a.assignment()[partition][1] == "releasing"
    assert a.value("keep", partition, token, "a request hangs") is True
    a.kill()
    assert wait_for(lambda: b.call("sweep") or c.call("sweep") or cluster.owners()[partition] != "a")
    assert cluster.owners()[partition] == pinned


def test_overdue_move_is_called_off(cluster):
    cluster.admin.rows("SELECT set_setting('move_deadline_ms', '60000')")
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=2)
    cluster.join("b", ttl_ms=60000)
    a.tend()
    deadline = next(row[5] for row in a.call("assignment") if row[4] == "releasing")
    assert 0 < deadline <= 60000
    a.tend()
    assert "releasing" in {state for _, state in a.assignment().values()}, "it is not over yet"
    cluster.admin.rows("UPDATE partition SET move_deadline = clock_timestamp() WHERE move_deadline IS NOT NULL")
    a.tend()
    assert {state for _, state in a.assignment().values()} == {"owned"}
    assert cluster.admin.one("SELECT count(*) FROM events WHERE message LIKE '%%called off%%'") == 1


def test_drain_and_undrain(cluster):
    a, b = cluster.join("a", ttl_ms=60000), cluster.join("b", ttl_ms=60000)
    cluster.report(a, partitions=4)
    cluster.admin.rows("SELECT drain_node('b')")
    a.tend()
    assert move_all(b) == 2
    assert cluster.counts() == {"a": 4}
    assert cluster.admin.rows("SELECT state, quota FROM nodes WHERE node = 'b'") == [("drained", 0)]
    c = cluster.join("c", ttl_ms=60000)
    c.call("leave")
    assert cluster.counts() == {"a": 4}, "a drained node gets nothing"
    cluster.admin.rows("SELECT undrain_node('b')")
    a.tend()
    assert move_all(a) == 2
    assert cluster.counts() == {"a": 2, "b": 2}


def test_move_partition(cluster):
    a, b = cluster.join("a", ttl_ms=60000), cluster.join("b", ttl_ms=60000)
    cluster.report(a, partitions=4)
    partition = next(iter(a.assignment()))
    name = cluster.admin.one("SELECT partition FROM partition WHERE partition_id = %s", partition)
    cluster.admin.rows("SELECT move_partition('demo', %s, 'b')", name)
    a.tend()
    move_all(a, b)
    assert partition in b.assignment()
    assert cluster.counts() == {"a": 2, "b": 2}


def test_decline_passes_over_the_node(cluster):
    a, b = cluster.join("a", ttl_ms=60000), cluster.join("b", ttl_ms=60000)
    cluster.report(a, partitions=4)
    for partition, (token, _) in b.assignment().items():
        assert b.value("decline", partition, token - 1, "no route") is False
        assert b.value("decline", partition, token, "no route") is True
    assert cluster.counts() == {"a": 4}
    a.tend()
    assert move_all(a, b) == 0, "the balance does not bring it back"
    cluster.admin.rows("UPDATE decline SET until = now()")
    cluster.admin.rows("UPDATE cluster SET rebalance_at = now()")
    a.tend()
    assert move_all(a) == 2
    assert cluster.counts() == {"a": 2, "b": 2}


def test_declined_by_all_is_given_all_the_same(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=1)
    (partition, (token, _)), = a.assignment().items()
    assert a.value("decline", partition, token, "no route")
    assert a.assignment() == {}
    a.tend()
    (again, (fresh, _)), = a.assignment().items()
    assert again == partition and fresh > token


def test_declines_of_one_hub_of_two(cluster):
    cluster.add_hub("other")
    a, b, c = (cluster.join(name, ttl_ms=60000) for name in "abc")
    cluster.report(a, "demo", 6)
    cluster.report(a, "other", 6)
    for partition, hub, _, token, *_ in a.call("assignment"):
        if hub == "demo":
            assert a.value("decline", partition, token, "no route")
    assert sum(cluster.counts().values()) == 12
    a.tend()
    for _ in range(3):
        move_all(a, b, c)
        a.tend()
    assert move_all(a, b, c) == 0, "it settles"
    assert "demo" not in {row[1] for row in a.call("assignment")}
    assert cluster.counts() == {"a": 4, "b": 4, "c": 4}
    assert cluster.errors() == []


def test_disabled_hub_is_emptied_and_comes_back(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=2)
    cluster.add_hub("demo", enabled=False)
    a.tend()
    assert move_all(a) == 2
    assert a.assignment() == {} and cluster.counts() == {}
    a.tend()
    cluster.add_hub("demo")
    a.tend()
    assert len(a.assignment()) == 2
    assert cluster.errors() == []


def test_an_open_admin_transaction_blocks_no_sweep(cluster):
    a, b = cluster.join("a", ttl_ms=60000), cluster.join("b", ttl_ms=60000)
    cluster.report(a, partitions=4)
    cluster.admin.raw.autocommit = False
    cluster.admin.rows("SELECT set_setting('move_deadline_ms', '9999')")
    cluster.admin.rows("SELECT drain_node('b'), move_partition('demo', '0', 'b')")
    a.close()
    b.work.rows("SET statement_timeout = 20000")
    assert wait_for(lambda: b.watch_once(700) == "died")
    assert len(b.call("sweep")) == 4
    cluster.admin.raw.rollback()
    cluster.admin.raw.autocommit = True
