"""Start, stop and restart: nothing is lost, and nothing is delivered twice."""

from harness.waiting import wait_until
from proof import end, settle, undisturbed

RATE = 800
# Neither a lease nor a clean stop ends here because the machine is busy.
PATIENT = ["--ttl-ms", 30_000, "--drain-ms", 50_000]


def test_clean_start_and_stop(make_cluster):
    cluster = make_cluster(node_arguments=PATIENT)
    assert cluster.leader() in cluster.nodes
    cluster.hub.generate(rate=RATE)
    wait_until(lambda: cluster.hub.state()["emitted"] >= 3 * RATE, 30, "events flow")
    settle(cluster, duplicates=0)
    terms = cluster.query("SELECT node FROM holdfast.term WHERE lease = 'leader'")
    if len(terms) != 1:
        undisturbed(cluster)
    assert len(terms) == 1
    end(cluster)


def test_rolling_restart_delivers_nothing_twice(make_cluster):
    cluster = make_cluster(node_arguments=PATIENT)
    # So slow that every node has much on the wire, applied and not answered, when it is stopped.
    cluster.thingworx.fault(kind="latency", ms=150)
    cluster.hub.generate(rate=RATE)
    for node in list(cluster.nodes.values()):
        assert cluster.partitions_of(node.name)
        assert node.stop() == 0
        wait_until(lambda: len(cluster.owners()) == cluster.hub.partitions, 30,
                   "all partitions have an owner")
        assert node.name not in cluster.owners().values()
        node.start()
        cluster.wait_balanced()
    settle(cluster, duplicates=0)
    end(cluster)


def test_nodes_join_and_leave_under_load(make_cluster):
    """Growth moves partitions; a planned move delivers nothing twice either."""
    cluster = make_cluster(nodes=1, node_arguments=PATIENT)
    cluster.hub.generate(rate=RATE)
    cluster.add_node("late-1")
    cluster.wait_balanced()
    cluster.add_node("late-2")
    cluster.wait_balanced()
    cluster.query("SELECT holdfast.drain_node('node-1')", user="admin")
    wait_until(lambda: cluster.partitions_of("node-1") == [], 60, "node-1 is drained")
    settle(cluster, duplicates=0)
    end(cluster)


def test_the_loop_never_stalls_for_long(make_cluster):
    """A stalled loop costs the lease. The bound is generous: the sanitizers are on. Two cores carry
    three nodes, the database and the lab, and whatever else runs: that time is not the loop's."""
    cluster = make_cluster(node_arguments=PATIENT)
    cluster.hub.generate(rate=RATE)
    wait_until(lambda: cluster.hub.state()["emitted"] >= 4 * RATE, 30, "events flow")
    stalls = {name: node.metric("holdfast_loop_stall_max_seconds", default=-1)
              for name, node in cluster.nodes.items()}
    waited = {name: node.waited_seconds() for name, node in cluster.nodes.items()}
    print("stalls:", stalls, "waited for a core, in all:", waited)
    assert all(0 <= stall < 0.5 + waited[name] for name, stall in stalls.items())
    settle(cluster, duplicates=0)
    end(cluster)
