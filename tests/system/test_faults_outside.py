"""Hubs and ThingWorx that misbehave, one fault after the other, under load."""

from harness.waiting import wait_until
from proof import accepted, end, settle, undisturbed, unsaved

RATE = 400
ARGUMENTS = ["--ttl-ms", 20_000]


def steady(cluster):
    cluster.hub.generate(rate=RATE)
    wait_until(lambda: len(cluster.checkpoints()) == cluster.hub.partitions, 30,
               "every partition has a checkpoint")


def all_move(cluster, what):
    """Every partition is delivered past where the hub's log ended when we asked."""
    ends = cluster.hub.ends()
    wait_until(lambda: all(cluster.checkpoints().get(p, -1) > last for p, last in ends.items()),
               60, f"every partition is delivered on after: {what}", every=0.1)


def test_a_hub_with_every_fault(make_cluster):
    """None of them costs a value, or moves a partition. One sends something twice: of a partition
    that another seems to have taken, all is given up that was not answered yet."""
    cluster = make_cluster(nodes=2, partitions=4, node_arguments=ARGUMENTS)
    steady(cluster)
    grants = cluster.grants()
    stolen = 1
    duplicates = 0
    for fault in ({"kind": "drop_connections"}, {"kind": "close"},
                  {"kind": "detach", "partition": 0},
                  {"kind": "detach", "partition": stolen, "condition": "amqp:link:stolen"},
                  {"kind": "refuse", "seconds": 2}, {"kind": "stall", "seconds": 2},
                  {"kind": "throttle", "seconds": 2}, {"kind": "quota", "seconds": 1},
                  {"kind": "token", "seconds": 3},
                  {"kind": "latency", "ms": 200}):
        saved = cluster.checkpoints()
        cluster.hub.fault(**fault)
        if fault.get("condition"):
            duplicates += unsaved(cluster, saved, {str(stolen)})
        if fault["kind"] in ("refuse", "quota", "token"):
            cluster.hub.fault(kind="drop_connections")
        all_move(cluster, fault)
        if cluster.grants() != grants:
            undisturbed(cluster)
        assert cluster.grants() == grants, fault
    settle(cluster, duplicates=duplicates)
    end(cluster)


def unknown(cluster):
    """How many requests were sent again by nodes that did not know whether they had been taken."""
    return sum(node.metric("holdfast_thingworx_requests_unknown_total")
               for node in cluster.nodes.values())


def test_a_thingworx_with_every_fault(make_cluster):
    """Slow, hanging, closing, refusing: nothing is lost. Only an answer that got lost costs
    duplicates, as many as the request had values."""
    cluster = make_cluster(nodes=2, partitions=4, node_arguments=ARGUMENTS)
    # Long enough for every answer that comes at all, and shorter than ThingWorx hangs.
    cluster.query("SELECT holdfast.set_destination(name => 'thingworx', base_urls => %s,"
                  " app_key_secret => 'thingworx-app-key', request_timeout_ms => 4000)",
                  ([cluster.thingworx.base_url],), user="admin")
    steady(cluster)
    for fault in ({"kind": "latency", "ms": 400, "seconds": 2}, {"kind": "hang", "seconds": 5},
                  {"kind": "close", "seconds": 1},
                  {"kind": "status", "status": 503, "retry_after": 1, "seconds": 1},
                  {"kind": "status", "status": 429, "retry_after": 1, "seconds": 1},
                  {"kind": "status", "status": 500, "html": True, "seconds": 1},
                  {"kind": "not_ready", "seconds": 1}):
        cluster.thingworx.fault(**fault)
        all_move(cluster, fault)
    assert cluster.dead_letters() == []
    if cluster.check()["duplicates"] != 0:
        undisturbed(cluster)
    assert cluster.check()["duplicates"] == 0
    count = 20
    before, sent_again = len(accepted(cluster)), unknown(cluster)
    cluster.thingworx.fault(kind="lost_reply", count=count)
    wait_until(lambda: unknown(cluster) >= sent_again + count, 60,
               lambda: f"{count} replies are lost: {unknown(cluster) - sent_again}")
    all_move(cluster, "lost replies")
    found = settle(cluster, duplicates=len(accepted(cluster)) - before)
    print(f"{count} replies lost: {found['duplicates']} duplicates")
    assert found["duplicates"] > 0
    end(cluster)
