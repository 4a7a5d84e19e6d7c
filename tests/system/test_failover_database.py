"""The database fails over to a standby; the nodes follow, and refuse a primary that stayed behind."""

import re

import pytest
from harness.replication import Pair
from harness.tcp_proxy import Proxy
from harness.waiting import wait_until
from proof import end, settle

RATE = 300
NODES = 3


@pytest.fixture
def make_pair(request, run):
    made = []

    def make(synchronous):
        name = re.sub(r"\W+", "-", request.node.name.removeprefix("test_"))[:40]
        made.append(Pair(run, name, synchronous))
        return made[-1]

    yield make
    for pair in made:
        pair.end()


def begin(make_cluster, pair):
    """A cluster on the pair, under load, all of it delivered from time to time."""
    cluster = make_cluster(nodes=NODES, own_postgres=pair)
    cluster.hub.generate(rate=RATE)
    wait_checkpoints(cluster)
    return cluster


def wait_checkpoints(cluster):
    wait_until(lambda: len(cluster.checkpoints()) == cluster.hub.partitions, 30,
               "every partition has a checkpoint")


def tokens(cluster):
    return {partition: token for partition, (_node, token, _state) in cluster.grants().items()}


def accepted(cluster):
    return cluster.thingworx.state()["accepted_values"]


def emitted(cluster):
    return cluster.hub.state()["emitted"]


def wait_events(cluster, seconds):
    """Until the hub has sent as much as in so many seconds."""
    since = emitted(cluster)
    wait_until(lambda: emitted(cluster) >= since + seconds * RATE, 60, "events flow")


def fail_over(cluster, pair):
    """Promotes the standby, and waits until all nodes work with it and own everything."""
    pair.promote()
    cluster.look_away()
    wait_attached(cluster, pair.new)


def wait_attached(cluster, server, nodes=NODES):
    """Until so many nodes are joined to that server, on its timeline, and own all partitions."""
    def attached():
        found = cluster.query(
            "SELECT count(*) AS n FROM holdfast.session s JOIN holdfast.incarnation_history i"
            " USING (incarnation) WHERE s.ended_at IS NULL"
            "   AND i.incarnation = (SELECT incarnation FROM holdfast.incarnation_live)"
            "   AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = s.lease_pid"
            "                  AND a.backend_start = s.lease_start)")
        return found[0].n == nodes and len(cluster.owners()) == cluster.hub.partitions
    assert cluster.postgres.primary is server
    wait_until(attached, 60, lambda: f"{nodes} nodes own everything at the new primary:"
                                     f" {cluster.grants()}")


def assert_one_history(cluster):
    """On the surviving timeline: tokens grow in the order of the grants, terms and ownerships do
    not overlap, and diagnose() finds nothing wrong."""
    shrunk = cluster.query(
        "SELECT * FROM (SELECT hub, partition, since, token, lag(token) OVER w AS before, how"
        "  FROM holdfast.partition_history WINDOW w AS (PARTITION BY hub, partition ORDER BY since))"
        " h WHERE token < before OR (token = before AND how <> 'adopted')")
    assert shrunk == []
    shrunk = cluster.query(
        "SELECT * FROM (SELECT since, token, lag(token) OVER (ORDER BY since) AS before"
        "  FROM holdfast.leader_history) h WHERE token <= before")
    assert shrunk == []
    for view, key in (("partition_history", "hub, partition"), ("leader_history", "1")):
        overlapping = cluster.query(
            f"SELECT * FROM (SELECT since, lag(coalesce(until, 'infinity')) OVER"
            f" (PARTITION BY {key} ORDER BY since) AS before FROM holdfast.{view}) h"
            f" WHERE before > since")
        assert overlapping == [], view
    assert cluster.query("SELECT * FROM holdfast.diagnose() WHERE severity = 'error'") == []


def new_timeline(cluster):
    """The incarnations of the database, oldest first, as (timeline, first token)."""
    return [(row.timeline, row.first_token) for row in cluster.query(
        "SELECT timeline, first_token FROM holdfast.incarnation_history ORDER BY began_at")]


@pytest.mark.parametrize("how", ["sync", "async"])
def test_nodes_follow_a_promoted_standby(make_cluster, make_pair, how):
    """The primary dies; delivery goes on meanwhile, and everything is found where it was."""
    pair = make_pair(how == "sync")
    cluster = begin(make_cluster, pair)
    before, owners = tokens(cluster), cluster.owners()
    pair.old.kill()
    had = accepted(cluster)
    wait_events(cluster, 2)
    assert accepted(cluster) > had + RATE, "delivery goes on without the database"
    outage = emitted(cluster)
    fail_over(cluster, pair)
    assert cluster.owners() == owners, "partitions are kept for their nodes"
    after = tokens(cluster)
    assert min(after.values()) > max(before.values())
    assert [timeline for timeline, _token in new_timeline(cluster)] == [1, 2]
    wait_events(cluster, 1)
    print("events before the new primary:", outage)
    settle(cluster, duplicates=emitted(cluster))
    assert_one_history(cluster)
    end(cluster)


def joined_of(node):
    """The timelines of a node's sessions, in the order of its log."""
    return [int(found) for found in re.findall(r'"?joined the cluster"?.*\btimeline=(\d+)',
                                               node.log.read_text(errors="replace"))]


def says(node, sentence):
    return node.log.read_text(errors="replace").count(sentence)


def still_there(server, database):
    """Whose session goes on at a server."""
    return [row.application_name for row in server.query(
        "SELECT application_name FROM pg_stat_activity WHERE datname = %s"
        " AND application_name LIKE 'holdfast %% lease'", (database,), database="postgres")]


def test_nodes_leave_a_stale_primary_when_they_are_stolen_from(make_cluster, make_pair):
    """Split brain: the old primary lives on, and only one node cannot reach it any more. It goes
    to the new one and takes everything over; the hub tells the others, and they look around."""
    pair = make_pair(False)
    cluster = make_cluster(nodes=NODES, own_postgres=pair, started=False,
                           node_arguments=["--ttl-ms", "2000"])
    cluster.prepare()
    cluster.configure()
    way = Proxy(pair.old.port)
    cluster.add_node("node-1", database_port=(way.port, pair.new.port))
    for name in ("node-2", "node-3"):
        cluster.add_node(name)
    cluster.wait_balanced()
    cluster.hub.generate(rate=RATE)
    wait_checkpoints(cluster)
    before = tokens(cluster)
    pair.wait_caught_up()
    pair.promote()
    wait_events(cluster, 1)
    assert len(still_there(pair.old, cluster.database)) == NODES, "nobody has noticed yet"
    way.hold()
    cluster.look_away()
    wait_attached(cluster, pair.new)
    cluster.wait_balanced(60)
    wait_events(cluster, 1)
    settle(cluster, duplicates=emitted(cluster))
    assert still_there(pair.old, cluster.database) == []
    assert min(tokens(cluster).values()) > max(before.values())
    for name in ("node-2", "node-3"):
        assert joined_of(cluster.nodes[name]) == [1, 2]
        assert says(cluster.nodes[name], "a higher token reads the partition") > 0
        assert says(cluster.nodes[name], "the database confirms the grant") == 0
    assert_one_history(cluster)
    end(cluster)
    way.close()


def test_an_asynchronous_standby_has_lost_the_last_grants(make_cluster, make_pair):
    """The new primary knows neither the last owners nor one of the nodes; then the old one turns
    up again, while the new one is away."""
    pair = make_pair(False)
    cluster = make_cluster(nodes=2, own_postgres=pair, node_arguments=["--ttl-ms", "2000"])
    cluster.hub.generate(rate=RATE)
    wait_checkpoints(cluster)
    pair.wait_caught_up()
    pair.new.cut_off()
    cluster.nodes["node-2"].kill()
    wait_until(lambda: set(cluster.owners().values()) == {"node-1"}
               and len(cluster.owners()) == cluster.hub.partitions, 30, "node-1 owns everything")
    cluster.add_node("node-3")
    cluster.wait_balanced()
    wait_events(cluster, 1)
    lost = tokens(cluster)
    pair.old.kill()
    pair.promote()
    cluster.look_away()
    assert cluster.query("SELECT FROM holdfast.ownership WHERE token = ANY (%s)",
                         (list(lost.values()),)) == [], "these grants were lost"
    wait_attached(cluster, pair.new, nodes=2)
    cluster.wait_balanced(60)
    assert min(tokens(cluster).values()) > max(lost.values())
    assert_one_history(cluster)
    refuse_the_old(cluster, pair)
    settle(cluster, duplicates=emitted(cluster))
    assert_one_history(cluster)
    end(cluster)


def refuse_the_old(cluster, pair):
    """The new primary is away and the old one takes writes: nobody goes there."""
    owners = cluster.owners()
    pair.new.stop()
    cluster.look_away()
    pair.old.start()
    living = [node for node in cluster.nodes.values() if node.alive]
    wait_until(lambda: all(says(node, "on a timeline that was left behind") for node in living),
               60, "all nodes have seen the old primary and refuse it")
    had = accepted(cluster)
    wait_events(cluster, 1)
    assert accepted(cluster) > had, "delivery goes on meanwhile"
    pair.new.start()
    wait_attached(cluster, pair.new, nodes=2)
    assert cluster.owners() == owners
    assert still_there(pair.old, cluster.database) == []
    assert [joined_of(node) for node in living] == [[1, 2, 2], [1, 2, 2]]


def test_one_address_that_leads_back_to_the_stale_primary(make_cluster, make_pair):
    """A virtual address moves to the new primary and back: the node compares timelines itself."""
    pair = make_pair(False)
    cluster = make_cluster(nodes=1, own_postgres=pair, started=False,
                           node_arguments=["--ttl-ms", "2000"])
    cluster.prepare()
    cluster.configure()
    address = Proxy(pair.old.port)
    node = cluster.add_node("node-1", database_port=(address.port,))
    cluster.wait_balanced()
    cluster.hub.generate(rate=RATE)
    wait_checkpoints(cluster)
    pair.wait_caught_up()
    pair.promote()
    cluster.look_away()
    move(address, pair.new)
    wait_attached(cluster, pair.new, nodes=1)
    move(address, pair.old)
    wait_until(lambda: says(node, "the database is on a timeline that was left behind"), 60,
               "the node has been at the old primary and refuses it")
    assert not node.ready()
    move(address, pair.new)
    wait_attached(cluster, pair.new, nodes=1)
    settle(cluster, duplicates=emitted(cluster))
    assert joined_of(node) == [1, 2, 2]
    assert_one_history(cluster)
    end(cluster)
    address.close()


def move(address, server):
    address.target = ("127.0.0.1", server.port)
    address.drop()
