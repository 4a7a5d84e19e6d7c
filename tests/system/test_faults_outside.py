"""Hubs and ThingWorx that misbehave, one fault after the other, under load."""

from harness.waiting import wait_until
from proof import accepted, end, settle

RATE = 400


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
    """None of them costs a value, or sends one twice, or moves a partition."""
    cluster = make_cluster(nodes=2, partitions=4)
    steady(cluster)
    grants = cluster.grants()
    for fault in ({"kind": "drop_connections"}, {"kind": "close"},
                  {"kind": "detach", "partition": 0},
                  {"kind": "detach", "partition": 1, "condition": "amqp:link:stolen"},
                  {"kind": "refuse", "seconds": 2}, {"kind": "stall", "seconds": 2},
                  {"kind": "throttle", "seconds": 2}, {"kind": "quota", "seconds": 1},
                  {"kind": "token", "seconds": 3},
                  {"kind": "latency", "ms": 200}):
        cluster.hub.fault(**fault)
        if fault["kind"] in ("refuse", "quota", "token"):
            cluster.hub.fault(kind="drop_connections")
        all_move(cluster, fault)
        assert cluster.grants() == grants, fault
    settle(cluster, duplicates=0)
    end(cluster)


def test_a_thingworx_with_every_fault(make_cluster):
    """Slow, hanging, closing, refusing: nothing is lost. Only an answer that got lost costs
    duplicates, as many as the request had values."""
    cluster = make_cluster(nodes=2, partitions=4)
    cluster.query("SELECT holdfast.set_destination(name => 'thingworx', base_urls => %s,"
                  " app_key_secret => 'thingworx-app-key', request_timeout_ms => 1500)",
                  ([cluster.thingworx.base_url],), user="admin")
    steady(cluster)
    for fault in ({"kind": "latency", "ms": 400, "seconds": 2}, {"kind": "hang", "seconds": 2},
                  {"kind": "close", "seconds": 1},
                  {"kind": "status", "status": 503, "retry_after": 1, "seconds": 1},
                  {"kind": "status", "status": 429, "retry_after": 1, "seconds": 1},
                  {"kind": "status", "status": 500, "html": True, "seconds": 1},
                  {"kind": "not_ready", "seconds": 1}):
        cluster.thingworx.fault(**fault)
        all_move(cluster, fault)
    assert cluster.dead_letters() == []
    assert cluster.check()["duplicates"] == 0
    count = 20
    cluster.thingworx.fault(kind="lost_reply", count=count)
    before = len(accepted(cluster))
    all_move(cluster, "lost replies")
    found = settle(cluster, duplicates=len(accepted(cluster)) - before)
    unknown = sum(node.metric("holdfast_thingworx_requests_unknown_total")
                  for node in cluster.nodes.values())
    print(f"{count} replies lost: {found['duplicates']} duplicates, {unknown} sent again unknowing")
    assert unknown >= count
    assert found["duplicates"] > 0
    end(cluster)
