"""OPC Publisher's messages: values for several Things in one event, across faults and hand-overs."""

import base64
import gzip
import json

from harness import http
from harness.waiting import wait_until
from proof import end

PUBLISHER = {"$$ContentType": "application/x-network-message-json-v1"}
T0 = 1634630400000  # 2021-10-19T08:00:00Z


def value(number):
    return {"Value": number, "SourceTimestamp": f"2021-10-19T08:{number // 60:02}:{number % 60:02}Z"}


def send(cluster, sets):
    """One event of the module `publisher` of `edge`: {writer: {field: value}}."""
    messages = [{"DataSetWriterId": writer, "MessageType": "ua-deltaframe", "Payload": payload}
                for writer, payload in sets.items()]
    cluster.hub.send("edge", module="publisher", properties=PUBLISHER,
                     body=[{"MessageId": "1", "MessageType": "ua-data", "PublisherId": "p",
                            "Messages": messages}])


def ledger(cluster, names, thing):
    """[(property, value, time)] of a Thing, in the order of acceptance."""
    _status, text = http.fetch(f"{cluster.thingworx.control}/ledger?names={names}")
    lines = (line.split("\t") for line in text.splitlines())
    return [(line[4], json.loads(line[6]), int(line[5])) for line in lines if line[3] == thing]


def start(make_cluster, nodes):
    """Writers have Things of their own, but for `main`, whose values are the module's."""
    cluster = make_cluster(nodes=nodes, partitions=1, started=False)
    cluster.prepare(["edge:publisher", "line-a", "line-b"])
    cluster.configure()
    for name, writers, thing in (("lines", "line-*", "{writer}"), ("main", "main", "{thing}")):
        cluster.query("SELECT holdfast.set_mapping('demo', %s, 'opcua', writers => %s, thing => %s,"
                      " devices => 'edge')", (name, writers, thing), user="admin")
    for name in cluster.names:
        cluster.add_node(name)
    cluster.wait_balanced()
    return cluster


def test_one_event_for_several_things(make_cluster):
    cluster = start(make_cluster, nodes=1)
    send(cluster, {"main": {"x": value(1)}, "line-a": {"x": value(2), "y": value(3)}})
    send(cluster, {"line-a": {"x": value(4)}, "line-b": {"x": value(5)}})
    cluster.hub.send("edge", module="publisher", properties=PUBLISHER,
                     body={"MessageId": "2", "MessageType": "ua-metadata", "MetaData": {}})
    cluster.hub.send("edge", body={"x": 6}, module="publisher",
                     properties={"$$ContentType": "application/x-network-message-json-v1"})
    wait_until(lambda: cluster.checkpoints().get("0") == 3, 60, "all are complete")
    assert ledger(cluster, "x,y", "edge:publisher") == [("x", 1, T0 + 1000)]
    assert [row[:2] for row in ledger(cluster, "x,y", "line-a")] == [("x", 2), ("y", 3), ("x", 4)]
    assert [row[:2] for row in ledger(cluster, "x,y", "line-b")] == [("x", 5)]
    (letter,) = cluster.dead_letters()
    assert letter.reason == "unparsable" and "OPC Publisher" in letter.detail
    end(cluster)


def test_an_event_is_complete_when_every_thing_has_its_values(make_cluster):
    """One of two Things hangs: neither a checkpoint nor a kill may lose its value."""
    cluster = start(make_cluster, nodes=1)
    cluster.thingworx.fault(kind="hang", thing="line-b")
    send(cluster, {"line-a": {"x": value(1)}, "line-b": {"x": value(2)}})
    wait_until(lambda: ledger(cluster, "x", "line-a"), 60, "one Thing has its value")
    send(cluster, {"main": {"x": value(3)}})
    node = cluster.nodes["node-1"]
    wait_until(lambda: node.metric("holdfast_events_delivered_total") >= 1, 60,
               "the next event is delivered")
    assert node.metric("holdfast_events_delivered_total") == 1, "the first one is not"
    assert cluster.checkpoints().get("0") in (None, -1), "nor is it checkpointed"
    node.kill()
    cluster.thingworx.clear_faults()
    cluster.add_node("node-2")
    wait_until(lambda: cluster.checkpoints().get("0") == 1, 60, "all are complete")
    assert [row[:2] for row in ledger(cluster, "x", "line-b")] == [("x", 2)]
    assert set(ledger(cluster, "x", "line-a")) == {("x", 1, ledger(cluster, "x", "line-a")[0][2])}
    end(cluster)


def test_gzip_from_the_hub_to_the_thing(make_cluster):
    """Compressed by the Publisher, batches in strict mode; also as a dead letter, and replayed."""
    cluster = start(make_cluster, nodes=1)
    kinds = {"application/x-network-message-gzip-v1": 1, "application/x-network-message-json-v1": 2}

    def pack(number):
        return gzip.compress(json.dumps(
            {"MessageId": str(number), "MessageType": "ua-data", "PublisherId": "p", "Messages": [
                {"DataSetWriterId": 7, "DataSetWriterName": name, "MessageType": "ua-deltaframe",
                 "Payload": {"x": value(number)}} for name in ("main", "line-a")]}).encode())

    for kind, number in kinds.items():
        cluster.hub.send("edge", module="publisher", properties={"$$ContentType": kind},
                         bytes=base64.b64encode(pack(number)).decode())
    wait_until(lambda: cluster.checkpoints().get("0") == 1, 60, "both are complete")
    for name in ("edge:publisher", "line-a"):
        assert ledger(cluster, "x", name) == [("x", 1, T0 + 1000), ("x", 2, T0 + 2000)]
    # One that breaks off is kept as it came, byte for byte; so is one of an unknown device.
    cluster.query("SELECT holdfast.set_fleet('demo', 'thingworx', device_pattern => '^edge$')",
                  user="admin")
    sent = {"edge": pack(3)[:-9], "stranger": pack(4)}
    for device, body in sent.items():
        cluster.hub.send(device, properties=PUBLISHER, bytes=base64.b64encode(body).decode())
    wait_until(lambda: len(cluster.dead_letters()) == 2, 60, "they are dead letters")
    kept = cluster.query("SELECT device, payload, reason FROM holdfast.dead_letter", user="postgres")
    assert {(row.device, bytes(row.payload), row.reason) for row in kept} == {
        ("edge", sent["edge"], "unparsable"), ("stranger", sent["stranger"], "unbound")}
    cluster.query("SELECT holdfast.bind_device('demo', 'stranger', 'line-b')", user="admin")
    cluster.query("SELECT holdfast.replay_dead_letters(device => 'stranger')", user="admin")
    wait_until(lambda: ledger(cluster, "x", "line-b"), 60, "the other one is replayed")
    assert ledger(cluster, "x", "line-b")[0] == ("x", 4, T0 + 4000)
    end(cluster)


def test_a_hand_over_repeats_nothing_of_what_is_half_delivered(make_cluster):
    cluster = start(make_cluster, nodes=2)
    cluster.thingworx.fault(kind="latency", ms=300, thing="line-b")
    for number in range(20):
        send(cluster, {"line-a": {"x": value(number)}, "line-b": {"x": value(number)}})
    wait_until(lambda: ledger(cluster, "x", "line-b"), 60, "some are on their way")
    (owner,) = cluster.owners().values()
    other = "node-2" if owner == "node-1" else "node-1"
    cluster.query("SELECT holdfast.move_partition('demo', '0', %s)", (other,), user="admin")
    wait_until(lambda: list(cluster.owners().values()) == [other], 60, "the partition has moved")
    cluster.thingworx.clear_faults()
    wait_until(lambda: cluster.checkpoints().get("0") == 19, 60, "all are complete")
    for thing in ("line-a", "line-b"):
        assert [row[1] for row in ledger(cluster, "x", thing)] == list(range(20)), thing
    end(cluster)


def test_a_refused_value_is_replayed_to_its_own_thing(make_cluster):
    cluster = start(make_cluster, nodes=1)
    send(cluster, {"line-a": {"x": value(1)}, "line-c": {"x": value(2)}})
    send(cluster, {"line-c": {"x": value(3)}, "line-d": {"x": value(4)}})

    def refused():
        # It takes another Thing that accepts to prove that the data is at fault.
        send(cluster, {"main": {"x": value(9)}})
        return len(cluster.dead_letters()) == 3

    wait_until(refused, 60, "Things that are not there refuse", every=0.2)
    assert sorted(letter.property for letter in cluster.dead_letters()) == [
        "line-c/x@0", "line-c/x@0", "line-d/x@0"]
    assert [row[1] for row in ledger(cluster, "x", "line-a")] == [1]
    cluster.thingworx.make_things(names=["line-c", "line-d"])
    cluster.query("SELECT holdfast.replay_dead_letters()", user="admin")
    wait_until(lambda: [row[1] for row in ledger(cluster, "x", "line-c")] == [2, 3]
               and [row[1] for row in ledger(cluster, "x", "line-d")] == [4], 60,
               "the replays reach the Things that they were meant for")
    assert all(row[1] in (1, 9) for row in ledger(cluster, "x", "edge:publisher"))
    end(cluster)
