"""Networks that swallow packets: between one node and what it talks to, in one direction or both.

Each node under test lives in a network namespace of its own (harness.netns); without the rights for
that these tests are skipped.
"""

import contextlib
import time

import pytest

from harness import netns
from harness.waiting import wait_until
from proof import end, settle, undisturbed, unsaved

RATE = 400
TTL = 4.0

pytestmark = pytest.mark.skipif(netns.refused() is not None, reason=str(netns.refused()))


@pytest.fixture
def make_split(make_cluster):
    """make_split() starts a cluster of which `far-1` lives in a network of its own; gives the
    cluster and that network."""
    with contextlib.ExitStack() as stack:
        def make(nodes=2, **options):
            cluster = make_cluster(nodes=nodes, partitions=6,
                                   node_arguments=["--ttl-ms", int(TTL * 1000)], **options)
            netns.admit(cluster.postgres)
            network = stack.enter_context(contextlib.closing(netns.Namespace(
                [cluster.postgres.port, cluster.hub.ports["amqp_port"],
                 cluster.thingworx.ports["port"]])))
            cluster.add_node("far-1", network=network)
            stack.callback(cluster.stop)
            cluster.wait_balanced()
            cluster.hub.generate(rate=RATE)
            wait_until(lambda: len(cluster.checkpoints()) == cluster.hub.partitions, 30,
                       "every partition has a checkpoint")
            return cluster, network

        yield make


@pytest.mark.parametrize("ways", ["both", "in", "out"])
def test_cut_off_from_the_database(make_split, ways):
    cluster, network = make_split()
    orphans = cluster.partitions_of("far-1")
    saved = cluster.checkpoints()
    cut_at = time.time()
    network.cut(netns.BOTH if ways == "both" else ways, cluster.postgres.port)
    wait_until(lambda: len(cluster.owners()) == cluster.hub.partitions
               and "far-1" not in cluster.owners().values(), 60,
               "its partitions have other owners")
    print(f"cut {ways}: others own its partitions after {time.time() - cut_at:.2f} s")
    # It goes on reading until the hub throws it out, when the successors come. They have come when
    # they save.
    reached = cluster.checkpoints()
    wait_until(lambda: all(cluster.checkpoints()[p] > reached[p] for p in orphans), 60,
               "its partitions are delivered on")
    duplicates = unsaved(cluster, saved, orphans)
    network.heal()
    cluster.wait_balanced()
    assert cluster.partitions_of("far-1")
    settle(cluster, duplicates=duplicates)
    end(cluster)


def test_cut_off_from_thingworx(make_split):
    """What the node owns waits, for as long as the cut lasts, and nothing else does."""
    cluster, network = make_split()
    own = cluster.partitions_of("far-1")
    grants = cluster.grants()
    # Nobody gives up waiting for an answer while the cable is cut.
    cluster.query("SELECT holdfast.set_destination(name => 'thingworx', base_urls => %s,"
                  " app_key_secret => 'thingworx-app-key', request_timeout_ms => 120000)",
                  ([cluster.thingworx.base_url],), user="admin")
    saved = cluster.checkpoints()
    network.cut(port=cluster.thingworx.ports["port"])
    # What was on the wire when the cable was cut may have been accepted, and comes again.
    duplicates = unsaved(cluster, saved, own)
    emitted = cluster.hub.state()["emitted"]
    wait_until(lambda: cluster.hub.state()["emitted"] > emitted + 3 * RATE, 30, "events are sent")
    ends = cluster.hub.ends()
    wait_until(lambda: all(cluster.checkpoints()[p] >= ends[p] for p in ends if p not in own), 60,
               "the others are delivered")
    waiting = cluster.checkpoints()
    assert all(waiting[p] < ends[p] for p in own)
    network.heal()
    settle(cluster, duplicates=duplicates)
    if cluster.grants() != grants:
        undisturbed(cluster)
    assert cluster.grants() == grants
    end(cluster)


def test_a_lossy_network(make_split):
    """One packet in twenty is lost, each way, to the database, the hub and ThingWorx."""
    cluster, network = make_split()
    saved = cluster.checkpoints()
    network.lose(50)
    emitted = cluster.hub.state()["emitted"]
    wait_until(lambda: cluster.hub.state()["emitted"] > emitted + 5 * RATE, 30, "events are sent")
    network.heal()
    cluster.wait_balanced()
    cluster.hub.stop_generator()
    cluster.wait_delivered()
    # If leases got lost with the packets, partitions were taken over, each time from what was saved.
    lost = cluster.query("SELECT count(*) AS n FROM holdfast.session WHERE node = 'far-1'"
                         " AND ended_at IS NOT NULL")[0].n
    print(f"leases that got lost with the packets: {lost}")
    settle(cluster, duplicates=lost * unsaved(cluster, saved))
    end(cluster)
