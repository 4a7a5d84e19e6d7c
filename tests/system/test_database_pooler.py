"""A lease is a session of the database: a pooler must leave it alone."""

import contextlib

import pytest

from harness.pooler import Pooler
from harness.waiting import wait_until
from database_kit import NODE_ARGUMENTS, TTL, flow_on, logged, saved, sessions, steady
from proof import end, settle, unsaved


@pytest.fixture
def make_pooler(run, request):
    made = []

    def make(postgres, mode, **settings):
        made.append(Pooler(run.part(f"{request.node.name}_pooler_{len(made)}".replace(" ", "_")), postgres, mode,
                           **settings).start())
        return made[-1]

    yield make
    for pooler in made:
        pooler.stop()


def role_time_out(cluster, value):
    """What a pooler that drops start-up options needs instead."""
    cluster.query("ALTER ROLE node IN DATABASE \"" + cluster.database + "\""
                  + (f" SET idle_session_timeout = {value}" if value else
                     " RESET idle_session_timeout"))


def stranded(cluster):
    """Locks of sessions that have ended, or of none."""
    return cluster.query("SELECT * FROM holdfast.diagnose() WHERE subject LIKE 'lock %%'"
                         " OR subject LIKE 'session %%'", ())


def fill(pooler, database, backends):
    """The pooler has so many backends from now on."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(pooler.connect(database))) for _ in range(backends)]
        for client in clients:
            client.cursor().execute("SELECT 1")  # in a transaction that goes on
        for client in clients:
            client.commit()


def test_session_mode_works(make_cluster, make_pooler):
    """All nodes behind it; one is killed, and its lease ends although the pooler lives on."""
    cluster = make_cluster(started=False)
    cluster.prepare()
    cluster.configure()
    role_time_out(cluster, int(TTL * 1000))
    pooler = make_pooler(cluster.postgres, "session", ignore_startup_parameters="options",
                         default_pool_size=30)
    for name in cluster.names:
        cluster.add_node(name, database_port=pooler.port, arguments=NODE_ARGUMENTS)
    cluster.wait_balanced()
    steady(cluster)
    orphans, before = cluster.partitions_of("node-3"), saved(cluster)
    cluster.nodes["node-3"].kill()
    most = unsaved(cluster, before, orphans)
    wait_until(lambda: len(cluster.owners()) == cluster.hub.partitions
               and "node-3" not in cluster.owners().values(), 60, "the orphans have new owners")
    flow_on(cluster, 1)
    settle(cluster, duplicates=most)
    assert stranded(cluster) == []
    end(cluster)


def test_start_up_options_that_are_refused(make_cluster, make_pooler):
    """PgBouncer refuses a time-out given at start-up unless it is told to drop it; dropped, the
    lease would not end by itself. Both are said, with what to do."""
    cluster = make_cluster(nodes=1)
    strict = make_pooler(cluster.postgres, "session")
    node = cluster.add_node("strict", wait=False, database_port=strict.port,
                            arguments=NODE_ARGUMENTS)
    wait_until(lambda: logged(node, "ignore_startup_parameters"), 60, "it says what to change")
    node.kill()
    silent = make_pooler(cluster.postgres, "session", ignore_startup_parameters="options")
    node = cluster.add_node("silent", wait=False, database_port=silent.port,
                            arguments=NODE_ARGUMENTS)
    wait_until(lambda: logged(node, f"ALTER ROLE node SET idle_session_timeout = {int(TTL * 1000)}"), 60,
               "it says what the role needs")
    node.kill()
    assert set(sessions(cluster)) == {"node-1"}
    end(cluster)


# In turn and of forty, each answer comes from another backend, even when two nodes ask.
@pytest.mark.parametrize("order, backends", [("last", 3), ("last", 6), ("round robin", 6), ("round robin", 40)])
def test_transaction_mode_is_refused(make_cluster, make_pooler, order, backends):
    """Stale leaders behind a transaction pooler: no session may ever begin there, and no lock may be
    left in the pool, however the pooler hands out its backends."""
    cluster = make_cluster(nodes=1)
    role_time_out(cluster, int(TTL * 1000))
    pooler = make_pooler(cluster.postgres, "transaction", ignore_startup_parameters="options",
                         default_pool_size=backends, server_round_robin=int(order == "round robin"))
    fill(pooler, cluster.database, backends)
    nodes = [cluster.add_node(name, wait=False, database_port=pooler.port,
                              arguments=NODE_ARGUMENTS) for name in ("one", "two")]
    for node in nodes:
        wait_until(lambda each=node: logged(each, "pooler in transaction mode") >= 3, 120,
                   "it refuses again and again")
        assert logged(node, "pool_mode = session") >= 1
        assert logged(node, "joined the cluster") == 0
        node.kill()
    assert set(sessions(cluster)) == {"node-1"}
    assert cluster.query("SELECT DISTINCT node FROM holdfast.session")[0].node == "node-1"
    assert stranded(cluster) == []
    end(cluster)
