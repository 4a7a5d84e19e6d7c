"""The database answers late, not at all, or with errors: locked tables, deadlocks, time-outs."""

import contextlib
import threading

import psycopg2

from harness.waiting import wait_until
from database_kit import (NODE_ARGUMENTS, TTL, flow_on, logged, moved_since, now_of, same,
                          sessions, steady)
from proof import end, settle

# join is left out: it is what a node does to come back from any error.
FLAKY = ("assignment", "poll", "tend", "sweep", "watch", "release", "keep", "save_checkpoints",
         "report", "configuration", "resolve", "report_hub", "add_dead_letters")


def lock_every_table(cluster):
    """One transaction that holds all tables; a deadlock with a node is tried again."""
    names = ", ".join(f"holdfast.{row.relname}" for row in cluster.query(
        "SELECT relname FROM pg_class WHERE relkind = 'r'"
        "   AND relnamespace = 'holdfast'::regnamespace ORDER BY 1"))
    connection = cluster.postgres.connect("postgres", cluster.database)
    connection.autocommit = False

    def locked():
        try:
            connection.cursor().execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
            return True
        except psycopg2.errors.DeadlockDetected:
            connection.rollback()
            return False
    wait_until(locked, 60, "every table is locked")
    return connection


def test_a_long_migration_costs_no_lease(make_cluster):
    """Every table of the schema is locked for longer than the TTL and than the statement time-out of
    the nodes: a ping touches no table, so no lease is lost; telemetry goes on."""
    cluster = make_cluster(node_arguments=NODE_ARGUMENTS)
    steady(cluster)
    grants, before = cluster.grants(), sessions(cluster)
    with contextlib.closing(lock_every_table(cluster)) as migration:
        flow_on(cluster, 3.3 * TTL)
        wait_until(lambda: all(node.ready() for node in cluster.nodes.values()), 60, "every node is ready")
        migration.rollback()
    same(cluster, sessions(cluster), before, "no session ended")
    settle(cluster, duplicates=0)
    same(cluster, cluster.grants(), grants)
    end(cluster)


@contextlib.contextmanager
def flaky(cluster, names=FLAKY, which="random() < 0.4"):
    """Calls of the nodes fail, two of five or those with the numbers that `which` says of `last`, by a
    deadlock or a time-out."""
    cluster.query("CREATE SEQUENCE holdfast.flaky")
    cluster.query("GRANT ALL ON SEQUENCE holdfast.flaky TO holdfast_owner")
    texts = []
    for name in names:
        (row,) = cluster.query(
            "SELECT pg_get_functiondef(p.oid) AS text FROM pg_proc p"
            " WHERE p.proname = %s AND p.pronamespace = 'holdfast'::regnamespace", (name,))
        assert row.text.count("\nBEGIN\n") == 1, name
        texts.append(row.text)
        cluster.query(row.text.replace("\nBEGIN\n", "\nBEGIN\n"
                      f"    IF (SELECT {which} FROM nextval('holdfast.flaky') AS last) THEN\n"
                      "        RAISE EXCEPTION USING MESSAGE = 'flaky', ERRCODE ="
                      " CASE WHEN random() < 0.5 THEN '40P01' ELSE '57014' END,"
                      " DETAIL = 'made by a test', HINT = 'none';\n    END IF;\n"))
    yield
    for text in texts:
        cluster.query(text)


def test_deadlocks_and_time_outs_in_every_call(make_cluster):
    """Every call is tried again: partitions move, devices are bound, checkpoints are saved, and what a
    node was granted it learns of, although two of five calls fail."""
    cluster = make_cluster(nodes=2, node_arguments=NODE_ARGUMENTS)
    steady(cluster)
    # A move that is called off is planned again soon.
    cluster.query("SELECT holdfast.set_setting('decline_pass_over_ms', '2000')", user="admin")
    with flaky(cluster):
        cluster.add_node("late", wait=False)
        wait_until(lambda: cluster.partitions_of("late"), 120, "the newcomer owns partitions")
        cluster.query("SELECT holdfast.drain_node('node-1')", user="admin")
        wait_until(lambda: not cluster.partitions_of("node-1"), 180, "node-1 is drained")
        flow_on(cluster, 1)
        calls = cluster.query("SELECT last_value FROM holdfast.flaky")[0].last_value
        settle(cluster, duplicates=0, timeout=180)
    print(f"{calls} calls, of which two of five failed")
    assert calls > 50
    end(cluster)


def test_a_hand_over_that_failed_begins_anew(make_cluster):
    """No deadline helps it out: the move is not called off, it is finished."""
    cluster = make_cluster(nodes=2, node_arguments=NODE_ARGUMENTS)
    steady(cluster)
    cluster.query("SELECT holdfast.set_setting('move_deadline_ms', '600000')", user="admin")
    moving = len(cluster.partitions_of("node-1"))
    with flaky(cluster, ("release",), f"last <= {moving}"):
        cluster.query("SELECT holdfast.drain_node('node-1')", user="admin")
        wait_until(lambda: not cluster.partitions_of("node-1"), 120, "node-1 is drained")
        calls = cluster.query("SELECT last_value FROM holdfast.flaky")[0].last_value
    assert calls > moving
    settle(cluster, duplicates=0)
    end(cluster)


def test_a_storm_on_the_row_of_the_cluster(make_cluster):
    """The lock that all changes take is taken again and again by others, for most of the time."""
    cluster = make_cluster(nodes=2, node_arguments=NODE_ARGUMENTS)
    steady(cluster)
    since, before = now_of(cluster), sessions(cluster)
    storm = [cluster.postgres.connect("postgres", cluster.database) for _ in range(20)]
    done = False

    def hammer(connection):
        while not done:
            with connection.cursor() as cursor:
                cursor.execute("DO $$ BEGIN PERFORM holdfast.lock_cluster();"
                               " PERFORM pg_sleep(0.02); END $$")
    threads = [threading.Thread(target=hammer, args=(connection,)) for connection in storm]
    for thread in threads:
        thread.start()
    try:
        flow_on(cluster, TTL / 2)
        cluster.query("SELECT holdfast.drain_node('node-1')", user="admin")
        wait_until(lambda: not cluster.partitions_of("node-1"), 180, "node-1 is drained")
        flow_on(cluster, TTL / 2)
    finally:
        done = True
        for thread in threads:
            thread.join()
    for connection in storm:
        connection.close()
    same(cluster, sessions(cluster), before)
    same(cluster, {how for _, _, how in moved_since(cluster, since)}, {"moved"})
    settle(cluster, duplicates=0)
    end(cluster)


def test_an_isolation_level_of_the_database_is_not_that_of_nodes(make_cluster):
    """Every change of membership refuses a transaction that is not read committed."""
    cluster = make_cluster(nodes=2, node_arguments=NODE_ARGUMENTS)
    steady(cluster)
    cluster.query(f'ALTER DATABASE "{cluster.database}" SET default_transaction_isolation = serializable')
    cluster.add_node("late")
    cluster.wait_balanced()
    flow_on(cluster, 1)
    settle(cluster, duplicates=0)
    end(cluster)


def test_what_is_completed_is_saved_though_nothing_is_read(make_cluster):
    """The save of a delivered event fails, after the node has let go of all that it held of the
    partition: the event is not read again, so nothing but what is remembered of it can be saved."""
    device = "device-1"
    cluster = make_cluster(nodes=1, partitions=1, things=[device])
    cluster.hub.send(device, body={"seq": 1})
    cluster.wait_delivered()
    with contextlib.closing(cluster.postgres.connect("postgres", cluster.database)) as holder:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE holdfast.checkpoint IN SHARE MODE")
        cluster.hub.send(device, body={"seq": 2})
        (save,) = wait_until(lambda: cluster.query(
            "SELECT pid FROM pg_stat_activity WHERE query LIKE %s AND pid <> pg_backend_pid()"
            " AND datname = current_database() AND wait_event_type = 'Lock'",
            ("%save_checkpoints%",)), 60, "its checkpoint waits to be saved")
        cluster.hub.fault(kind="detach", partition=0, condition="amqp:link:stolen")
        wait_until(lambda: logged(cluster.nodes["node-1"], "a higher token reads the partition"),
                   60, "the node lets go of the partition")
        cluster.query("SELECT pg_cancel_backend(%s)", (save.pid,))
        wait_until(lambda: logged(cluster.nodes["node-1"], "could not save checkpoints"), 60,
                   "the save fails")
        holder.rollback()
    cluster.wait_delivered()
    found = cluster.check()
    assert found["delivered"] == 2 and found["lost"] == found["duplicates"] == 0, found
    end(cluster)
