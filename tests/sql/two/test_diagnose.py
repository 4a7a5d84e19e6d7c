"""diagnose() about the server and the nodes: findings that need a connection, or a setting."""

import threading

import psycopg2
import pytest

from members import Connection, wait_for


def findings(cluster, pattern):
    return cluster.admin.rows(
        "SELECT severity, subject, error, detail, hint FROM diagnose()"
        " WHERE subject || ': ' || error ~ %s", pattern)


@pytest.fixture
def setting(cluster):
    """setting(name, value) changes a setting of the server until the test ends."""
    changed = []

    def seen(name, value):
        return cluster.admin.one("SELECT reset_val FROM pg_settings WHERE name = %s", name) == value

    def change(name, value):
        changed.append((name, cluster.admin.one("SELECT reset_val FROM pg_settings WHERE name = %s", name)))
        cluster.admin.rows(f"ALTER SYSTEM SET {name} = '{value}'")
        cluster.admin.rows("SELECT pg_reload_conf()")
        assert wait_for(lambda: seen(name, value))

    yield change
    for name, before in changed:
        cluster.admin.rows(f"ALTER SYSTEM RESET {name}")
        cluster.admin.rows("SELECT pg_reload_conf()")
        assert wait_for(lambda: seen(name, before))  # noqa: B023 (used at once)


def test_all_is_well_means_no_row(cluster):
    a, b = cluster.join("a", ttl_ms=60000), cluster.join("b", ttl_ms=60000)
    cluster.report(a, partitions=4)
    for member in (a, b):
        member.call("report", "{}", [], [], [])
    a.tend()
    left = cluster.admin.rows("SELECT * FROM diagnose() WHERE subject <> 'fsync'")
    assert left == []


def test_a_transaction_that_stays_open(cluster):
    other = Connection(cluster.dsn)
    other.rows("BEGIN")
    other.rows("SELECT 1")
    assert findings(cluster, "^backend") == [], "for a moment it may"
    # The clock of the server cannot be moved here, but five minutes can be made short.
    source = cluster.admin.one("SELECT pg_get_functiondef('diagnose_server()'::regprocedure)")
    source = source.replace("%", "%%")
    cluster.admin.rows(source.replace("interval '5 minutes'", "interval '1 millisecond'"))
    try:
        (found,) = [row for row in findings(cluster, "^backend") if str(other.pid) in row[1]]
        assert found[0] == "warning" and f"pg_terminate_backend({other.pid})" in found[4]
    finally:
        cluster.admin.rows(source)
        other.close()


def test_who_holds_up_whom(cluster):
    holder, first, second = (Connection(cluster.dsn) for _ in range(3))
    holder.rows("BEGIN")
    holder.rows("SET LOCAL application_name = 'forgotten'")
    holder.rows("SELECT FROM holdfast.cluster FOR UPDATE")
    waiting = [threading.Thread(target=one.rows, args=("SELECT FROM holdfast.cluster FOR UPDATE",))
               for one in (first, second)]
    for thread in waiting:
        thread.start()
    try:
        (found,) = wait_for(lambda: [row for row in findings(cluster, "Others wait") if "2 wait" in row[3]],
                            seconds=60)
        assert found[:3] == ("warning", f"backend {holder.pid}", "Others wait for its locks")
        assert "idle in transaction" in found[3] and "(forgotten)" in found[3]
        assert f"pg_terminate_backend({holder.pid})" in found[4]
    finally:
        holder.rows("ROLLBACK")
        for thread in waiting:
            thread.join()
        for one in (holder, first, second):
            one.close()
    assert findings(cluster, "Others wait") == []


def test_settings_that_weaken_a_promise(cluster, setting):
    setting("full_page_writes", "off")
    setting("synchronous_commit", "off")
    assert {row[1] for row in findings(cluster, "It is off")} >= {"full_page_writes", "synchronous_commit"}
    database = cluster.admin.one("SELECT current_database()")
    cluster.admin.rows(f"ALTER DATABASE {database} SET idle_session_timeout = '5s'")
    try:
        (found,) = findings(cluster, "^idle_session_timeout: It is set for this database")
        assert found[4] == f"ALTER DATABASE {database} RESET idle_session_timeout;"
    finally:
        cluster.admin.rows(f"ALTER DATABASE {database} RESET idle_session_timeout")
    assert findings(cluster, "^idle_session_timeout") == []


def test_no_synchronous_standby(cluster, setting):
    assert findings(cluster, "^synchronous_standby_names") == []
    setting("synchronous_standby_names", "nobody")
    (found,) = findings(cluster, "^synchronous_standby_names")
    assert found[2] == "A synchronous standby is away" and "nobody" in found[3]


def test_few_connections_are_left(cluster):
    # Those of the tests before may still be on their way out.
    assert wait_for(lambda: cluster.admin.one("SELECT count(*) FROM pg_stat_activity"
                                              " WHERE backend_type = 'client backend'") == 1)
    most = int(cluster.admin.one("SHOW max_connections")) - int(
        cluster.admin.one("SHOW superuser_reserved_connections"))
    assert findings(cluster, "^max_connections") == []
    taken = []
    try:
        while cluster.admin.one("SELECT count(*) FROM pg_stat_activity"
                                " WHERE backend_type = 'client backend'") < 0.9 * most:
            taken.append(psycopg2.connect(cluster.dsn))
        (found,) = findings(cluster, "^max_connections")
        assert "three" in found[3]
    finally:
        for connection in taken:
            connection.close()


def test_a_silent_node_is_in_doubt(cluster):
    def silent():
        return cluster.admin.rows("SELECT node, doubt, ends_in FROM doubts WHERE doubt ~ 'has not pinged'")
    _, b = cluster.join("a"), cluster.join("b")
    assert silent() == []
    # As if b had come with a shorter one: in truth its lease lives on.
    cluster.admin.rows("UPDATE session SET ttl_ms = 3000 WHERE node = 'b'")
    (found,) = wait_for(silent)
    assert found[0] == "b" and found[2].total_seconds() <= 1.2
    assert wait_for(lambda: b.ping() or silent() == []), "it has spoken"
    b.kill()
    assert wait_for(lambda: findings(cluster, "^node b: Nobody holds the lock"))


def test_a_lock_that_nobody_should_hold(cluster):
    cluster.join("a", ttl_ms=60000)
    stray = Connection(cluster.dsn)
    stray.rows("SELECT pg_advisory_lock(lock_class, 4711) FROM (SELECT holdfast.lock_class()) l (lock_class)")
    (found,) = findings(cluster, "^lock 4711")
    assert f"SELECT pg_terminate_backend({stray.pid})" in found[4]
    stray.close()


def test_the_leader_prunes_in_bounded_batches_and_not_under_the_lock(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=2)
    a.tend()
    cluster.admin.rows("UPDATE housekeeping SET done_at = '-infinity' WHERE task = 'prune'")
    cluster.admin.rows("UPDATE housekeeping SET done_at = now() WHERE task = 'dead_letters'")
    cluster.admin.rows("INSERT INTO event_log (at, kind, message)"
                       " SELECT now() - interval '1 year', 'old', 'x' FROM generate_series(1, 12000)")
    left = "SELECT count(*) FROM event_log WHERE kind = 'old'"
    cluster.admin.rows("UPDATE cluster SET rebalance_at = now()")
    a.tend()
    assert cluster.admin.one(left) == 12000, "not while it plans: others wait for the lock that it holds"
    a.tend()
    assert cluster.admin.one(left) == 2000, "ten thousand at a time"
    a.tend()
    assert cluster.admin.one(left) == 0, "and again at once while there is more"
    cluster.admin.rows("INSERT INTO event_log (at, kind, message) VALUES (now() - interval '1 year', 'old', 'x')")
    a.tend()
    assert cluster.admin.one(left) == 1, "then every ten minutes"


def test_a_node_that_flaps_is_held_back(cluster):
    """Three deaths within five minutes: it keeps what it adopts, and gets no more for a while."""
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=4)
    for life in range(4):
        b = cluster.join("b", ttl_ms=60000)
        held_back = cluster.admin.one("SELECT steady_at IS NOT NULL FROM node WHERE name = 'b'")
        assert held_back == (life == 3)
        if life < 3:
            b.kill()
            assert wait_for(lambda: a.watch_once(700) == "died")
            a.call("sweep")
    # That is a second; this machine may be slower.
    cluster.admin.rows("UPDATE node SET steady_at = clock_timestamp() + interval '1 minute' WHERE name = 'b'")
    a.tend()
    assert cluster.counts() == {"a": 4}
    assert {state for _, state in a.assignment().values()} == {"owned"}
    assert cluster.admin.one("SELECT c.rebalance_at = n.steady_at FROM cluster c, node n WHERE n.name = 'b'"), (
        "the leader comes back to it by itself")
    cluster.admin.rows("UPDATE node SET steady_at = clock_timestamp() WHERE name = 'b'")
    cluster.admin.rows("UPDATE cluster SET rebalance_at = clock_timestamp()")
    a.tend()
    assert cluster.admin.one("SELECT count(*) FROM partition WHERE state = 'releasing'") == 2
    assert cluster.errors() == []


def test_growth_during_a_pause_moves_nothing_that_is_paused(cluster):
    a = cluster.join("a", ttl_ms=60000)
    cluster.report(a, partitions=4)
    cluster.admin.rows("SELECT pause_partition('demo', '0', 'test')")
    a.tend()
    (partition, token), = [(p, t) for p, (t, state) in a.assignment().items() if state == "releasing"]
    assert a.value("release", partition, token)
    b = cluster.join("b", ttl_ms=60000)
    a.tend()
    assert partition not in a.assignment() and partition not in b.assignment()
    a.kill()
    assert wait_for(lambda: b.watch_once(700) == "died")
    b.call("sweep")
    assert partition not in b.assignment() and len(b.assignment()) == 3
    cluster.admin.rows("SELECT resume_partition('demo', '0')")
    b.tend()
    assert partition in b.assignment()
    assert cluster.errors() == []
