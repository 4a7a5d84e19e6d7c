"""Many Things in one request, by the service that ThingWorx may have."""

import time

from harness.waiting import TimedOut, wait_until
from proof import end, settle
from test_heartbeat import connected, said, set_heartbeat

RATE = 500


def delivered_by(cluster):
    (row,) = cluster.query("SELECT delivered FROM holdfast.destinations")
    return row.delivered


def bulk_cluster(make_cluster, things=None, configure=None, **options):
    """`configure` is what an administrator does besides, before the nodes start."""
    cluster = make_cluster(started=False, **options)
    cluster.prepare(things)
    cluster.thingworx.install_bulk()
    cluster.configure()
    if configure:
        configure(cluster)
    for name in cluster.names:
        cluster.add_node(name)
    cluster.wait_balanced()
    wait_until(lambda: delivered_by(cluster) == "bulk", 60, "every node has found the service")
    return cluster


def test_many_things_share_a_request(make_cluster):
    cluster = bulk_cluster(make_cluster, nodes=2, devices=200)
    before = cluster.thingworx.state()
    # 2 nodes with 16 requests each at a time: 160 requests in a second at most, and 2000 events
    cluster.thingworx.fault(kind="latency", ms=200)
    cluster.hub.generate(rate=4 * RATE, devices=200)
    wait_until(lambda: cluster.hub.state()["emitted"] >= 4 * RATE, 60, "events are sent")
    settle(cluster, duplicates=0)
    after = cluster.thingworx.state()
    values = after["accepted_values"] - before["accepted_values"]
    requests = after["requests"] - before["requests"]
    print(f"{values} values in {requests} requests")
    assert values > 3 * 8 * requests  # else an event of 8 values has its own request
    end(cluster)


def test_without_the_service_each_thing_gets_its_own_requests(make_cluster):
    """And once it is imported it is used, and taken away again it is not missed."""
    cluster = make_cluster(nodes=1)
    assert delivered_by(cluster) in (None, "per_thing")
    cluster.hub.generate(rate=RATE)
    wait_until(cluster.checkpoints, 60, "events are delivered")
    wait_until(lambda: delivered_by(cluster) == "per_thing", 60, "the node has said so")
    settle(cluster, duplicates=0)
    end(cluster)


def test_the_service_disappears(make_cluster):
    cluster = bulk_cluster(make_cluster, nodes=1)
    cluster.hub.generate(rate=RATE)
    wait_until(cluster.checkpoints, 60, "events are delivered")
    cluster.thingworx.install_bulk(False)
    wait_until(lambda: delivered_by(cluster) == "per_thing", 60, "the node has fallen back")
    emitted = cluster.hub.state()["emitted"]
    wait_until(lambda: cluster.hub.state()["emitted"] > emitted + RATE, 60, "events go on")
    settle(cluster, duplicates=0)
    end(cluster)


def test_a_poison_value_costs_the_others_nothing(make_cluster):
    cluster = bulk_cluster(make_cluster, nodes=1)
    cluster.thingworx.ask("/things", {"names": ["poisoned"], "permissive": False,
                                      "properties": {"seq": "LONG", "p1": "NUMBER"}})
    cluster.hub.generate(rate=RATE)
    wait_until(cluster.checkpoints, 60, "events are delivered")
    for seq in range(1, 31):
        value = "no number" if seq % 10 == 5 else seq + 0.5
        cluster.hub.send("poisoned", body={"seq": seq, "p1": value})
    wait_until(lambda: len(cluster.dead_letters()) == 3, 60, "the poison values are dead letters")
    settle(cluster, duplicates=0, dead_letters=3)
    assert {(letter.property, letter.reason) for letter in cluster.dead_letters()} == {
        ("p1", "refused")}
    end(cluster)


PATIENCE_S = 2  # with a Thing that is not found: SETTLE_MS of src/thingworx/client.c


def made_in_time(cluster, name):
    """An event for a Thing that is made once it was asked for in vain; whether that was surely
    before it may be blamed."""
    began = time.monotonic()
    refused = cluster.thingworx.state()["refused"].get("404", 0)
    cluster.hub.send(name, body={"seq": 1, "p1": 2})
    wait_until(lambda: cluster.thingworx.state()["refused"].get("404", 0) > refused, 60,
               "the Thing is asked for alone")
    cluster.thingworx.ask("/things", {"names": [name], "permissive": True})
    return time.monotonic() - began < PATIENCE_S / 2


def test_a_missing_thing_is_not_blamed_at_once(make_cluster):
    """A 404 right after a Thing was made is the other platform node that does not see it yet."""
    cluster = bulk_cluster(make_cluster, nodes=1)
    cluster.hub.generate(rate=RATE)
    wait_until(cluster.checkpoints, 60, "events are delivered")
    blamed = []
    while not made_in_time(cluster, f"late-{len(blamed)}"):
        blamed.append(f"late-{len(blamed)}")
        if len(blamed) == 20:
            raise TimedOut("a Thing is made in time")
    cluster.hub.stop_generator()
    cluster.wait_delivered()
    letters = cluster.dead_letters()
    assert {letter.device for letter in letters} <= set(blamed)
    settle(cluster, duplicates=0, dead_letters=len(letters))
    end(cluster)


def test_failures_lose_nothing_and_keep_the_order(make_cluster):
    """503, hanging and lost replies in the middle of bulk requests."""
    cluster = bulk_cluster(make_cluster, nodes=2)
    cluster.hub.generate(rate=2 * RATE)
    wait_until(cluster.checkpoints, 60, "events are delivered")
    cluster.thingworx.fault(kind="status", status=503, count=20)
    wait_until(lambda: cluster.thingworx.state()["refused"].get("503", 0) >= 20, 120, "refusals")
    cluster.thingworx.fault(kind="lost_reply", count=3)
    emitted = cluster.hub.state()["emitted"]
    wait_until(lambda: cluster.hub.state()["emitted"] > emitted + 4 * RATE, 60, "events go on")
    cluster.thingworx.fault(kind="status", status=413, count=2)
    emitted = cluster.hub.state()["emitted"]
    wait_until(lambda: cluster.hub.state()["emitted"] > emitted + 2 * RATE, 60, "events go on")
    found = settle(cluster, duplicates=6000)
    print(f"{found['duplicates']} duplicates by 3 lost replies")
    end(cluster)


def test_heartbeats_of_many_things_share_a_request(make_cluster):
    """What a rule says of Things waits with their values, behind the one request that may be on
    the wire, and goes out with them."""
    blocker, edges = "blocker", [f"edge-{number:02}" for number in range(20)]

    def configure(cluster):
        cluster.query("SELECT holdfast.set_destination(name => 'thingworx', base_urls => %s,"
                      " app_key_secret => 'thingworx-app-key', max_in_flight => 1,"
                      " request_timeout_ms => 60000)", ([cluster.thingworx.base_url],),
                      user="admin")
        set_heartbeat(cluster, "1 second", devices="edge-*")

    cluster = bulk_cluster(make_cluster, [blocker, *edges], configure, nodes=1, partitions=1)
    node = cluster.nodes["node-1"]
    cluster.thingworx.fault(kind="hang", thing=blocker)
    cluster.hub.send(blocker, body={"x": 0})
    wait_until(lambda: cluster.thingworx.state()["hanging"] > 0, 60, "its request hangs")
    for edge in edges:
        cluster.hub.send(edge, body={"x": 1})
    wait_until(lambda: node.metric("holdfast_heartbeats_lost_total") >= len(edges), 60,
               "all are heard of, and silent")
    before = node.metric("holdfast_thingworx_requests_total")
    cluster.thingworx.clear_faults()
    wait_until(lambda: all(said(cluster, edge)[:2] == [True, False] for edge in edges), 60,
               "both are said of each")
    requests = node.metric("holdfast_thingworx_requests_total") - before
    assert requests < len(edges), "each Thing had a request of its own"
    cluster.wait_delivered()
    wait_until(lambda: connected(cluster) == [], 60, "and forgotten")
    assert cluster.dead_letters() == []
    end(cluster)
