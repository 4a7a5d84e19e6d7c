"""A synchronous standby that is wanted and away."""

import threading

from harness.waiting import wait_until
from database_kit import NODE_ARGUMENTS, RATE, flow_on, logged, saved, steady
from proof import end, settle, unsaved

NOBODY = "a_standby_that_is_away"


def want(postgres, names):
    connection = postgres.connect("postgres", "postgres")
    with connection.cursor() as cursor:
        cursor.execute("ALTER SYSTEM SET synchronous_standby_names = %s", (names,))
        cursor.execute("SELECT pg_reload_conf()")
    connection.close()
    wait_until(lambda: postgres.query("SELECT current_setting('synchronous_standby_names') AS s",
                                      database="postgres")[0].s == names, 60, "it is reloaded")
    if names:
        # Backends hear of it at once, but only the checkpointer makes commits wait.
        wait_until(lambda: a_commit_waits(postgres), 60, "commits wait")


def a_commit_waits(postgres):
    """Commits something, and cancels that when it waits for a standby."""
    connection = postgres.connect("postgres", "postgres")
    pid = connection.info.backend_pid

    def commit():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_logical_emit_message(true, 'test', '')")
    thread = threading.Thread(target=commit)
    thread.start()

    def waiting():
        return postgres.query("SELECT 1 FROM pg_stat_activity WHERE pid = %s"
                              " AND wait_event = 'SyncRep'", (pid,), database="postgres")
    wait_until(lambda: waiting() or not thread.is_alive(), 60, "it waits or is done")
    found = bool(waiting())
    postgres.query("SELECT pg_cancel_backend(%s)", (pid,), database="postgres")
    thread.join()
    connection.close()
    return found


def test_grants_wait_and_telemetry_goes_on(make_cluster, make_postgres):
    postgres = make_postgres()
    cluster = make_cluster(own_postgres=postgres, node_arguments=NODE_ARGUMENTS)
    steady(cluster)
    want(postgres, NOBODY)
    orphans, before = cluster.partitions_of("node-3"), saved(cluster)
    cluster.nodes["node-3"].kill()
    most = unsaved(cluster, before, orphans)
    # A device that nobody has met, and an event that becomes a dead letter, must not wait either:
    # checkpoints are saved behind them.
    before = cluster.checkpoints()  # of those that live
    others = [p for p in before if p not in orphans]
    late = cluster.add_node("late", wait=False)
    flow_on(cluster, 3, rate=RATE / 2)
    wait_until(lambda: all(cluster.checkpoints()[p] > before[p] + RATE / 8 for p in others), 60,
               "checkpoints of those that live go on")
    assert cluster.partitions_of("node-3") == orphans, "nothing is granted"
    wait_until(lambda: logged(late, "The synchronous standby is away"), 60, "the newcomer says why")
    assert not late.ready()
    (found,) = cluster.query("SELECT * FROM holdfast.diagnose() WHERE subject = 'synchronous_standby_names'")
    assert found.severity == "warning" and "synchronous_standby_names" in found.hint
    wait_until(lambda: all(cluster.nodes[name].ready() for name in ("node-1", "node-2")), 60, "the others are ready")
    want(postgres, "")
    late.wait_ready()
    cluster.wait_balanced()
    settle(cluster, duplicates=most)
    end(cluster)


def test_a_cancelled_wait_for_a_standby_is_not_acknowledged(make_cluster, make_postgres):
    """A join whose commit waits for the standby, and somebody cancels the wait: the commit is there, but
    a fail-over may forget it. The node must not believe in it."""
    postgres = make_postgres()
    cluster = make_cluster(nodes=1, own_postgres=postgres, node_arguments=NODE_ARGUMENTS)
    steady(cluster)
    blocker = postgres.connect("postgres", cluster.database)
    blocker.autocommit = False
    blocker.cursor().execute("SELECT FROM holdfast.cluster FOR UPDATE")
    # Patient, so that its join outlasts what follows on a busy machine: a time-out goes with the TTL.
    late = cluster.add_node("late", wait=False, arguments=["--ttl-ms", 120000])

    def joining(event):
        return cluster.query("SELECT pid FROM pg_stat_activity WHERE application_name ="
                             " 'holdfast late lease' AND wait_event = %s", (event,))
    wait_until(lambda: joining("transactionid") or joining("tuple"), 60, "late waits in join")
    want(postgres, NOBODY)
    blocker.rollback()
    blocker.close()
    (found,) = wait_until(lambda: joining("SyncRep"), 60, "its commit waits for the standby")
    cluster.query("SELECT pg_cancel_backend(%s)", (found.pid,))
    wait_until(lambda: logged(late, "the commit was not acknowledged by the synchronous standby"), 60,
               "it takes the commit for failed")
    assert logged(late, "joined the cluster") == 0 and not late.ready()
    flow_on(cluster, 1)
    want(postgres, "")
    late.wait_ready()
    cluster.wait_balanced()
    settle(cluster, duplicates=RATE)
    end(cluster)
