"""What comes with an event besides its body: its creation time, its source, its encoding."""

import json
import time

from harness import http
from harness.waiting import wait_until
from proof import end

DAY_MS = 24 * 3600 * 1000


def values(cluster, thing):
    """{value of seq: its time} of a Thing, from the ledger."""
    _status, text = http.fetch(cluster.thingworx.control + "/ledger?names=seq")
    rows = (line.split("\t") for line in text.splitlines())
    return {int(row[6]): int(row[5]) for row in rows if row[3] == thing}


def enqueued(cluster, device):
    """{seq: enqueued time} of a device, from the hub's log."""
    _status, text = http.fetch(cluster.hub.control + "/log")
    rows = (line.split("\t") for line in text.splitlines())
    return {json.loads(row[6])["seq"]: int(row[3]) for row in rows if row[4] == device}


def send(cluster, device, seq, **system):
    cluster.hub.send(device, body={"seq": seq, "p1": 1.5},
                     system={name.replace("_", "-"): value for name, value in system.items()})


def test_the_time_of_a_value_is_that_of_its_creation(make_cluster):
    """In the order: the body's member that the fleet names, creation, enqueued."""
    cluster = make_cluster(nodes=1, partitions=1)
    now = int(time.time() * 1000)
    device = "device-00001"
    created = now - 3 * DAY_MS
    send(cluster, device, 1, iothub_creation_time_utc=created)  # waits for its binding
    send(cluster, device, 2, iothub_creation_time_utc=created + 1)
    send(cluster, device, 3, creation_time=created + 2)
    send(cluster, device, 4)
    send(cluster, device, 5, iothub_creation_time_utc=now + DAY_MS)
    send(cluster, device, 6, iothub_creation_time_utc=946684800000)
    send(cluster, device, 7, iothub_creation_time_utc="2000-01-01T00:00:00Z")
    wait_until(lambda: len(values(cluster, device)) == 7, 60, "all are delivered")
    took = enqueued(cluster, device)
    assert values(cluster, device) == {1: created, 2: created + 1, 3: created + 2,
                                       **{seq: took[seq] for seq in (4, 5, 6, 7)}}
    cluster.query("SELECT holdfast.set_fleet(name => 'demo', destination => 'thingworx',"
                  " time_member => 'seq')", user="admin")

    def by_the_body():
        send(cluster, device, 8, iothub_creation_time_utc=created)
        return values(cluster, device).get(8) == 8

    wait_until(by_the_body, 60, "the body's own time counts more", every=0.2)
    end(cluster)


def test_what_is_no_telemetry_is_not_written(make_cluster):
    cluster = make_cluster(nodes=1, partitions=1)
    kinds = ("twinChangeEvents", "deviceLifecycleEvents", "deviceConnectionStateEvents")
    for seq, kind in enumerate(kinds):
        send(cluster, "device-00001", seq, iothub_message_source=kind)
        send(cluster, "unheard-of", seq, iothub_message_source=kind)
    send(cluster, "device-00001", 10)
    send(cluster, "device-00002", 11, iothub_message_source=None)  # as of other hubs
    send(cluster, "device-00001", 12, iothub_message_source="deviceLifecycleEvents")
    wait_until(lambda: cluster.checkpoints().get("0") == 8, 60, "the checkpoint is behind them all")
    assert list(values(cluster, "device-00001")) == [10]
    assert list(values(cluster, "device-00002")) == [11]
    assert cluster.dead_letters() == []
    assert [row.device for row in cluster.query("SELECT device FROM holdfast.binding ORDER BY 1")
            ] == ["device-00001", "device-00002"]
    assert cluster.nodes["node-1"].metric("holdfast_events_skipped_total") == 7
    end(cluster)


def test_a_body_that_is_no_text_is_kept_with_its_encoding(make_cluster):
    cluster = make_cluster(nodes=1, partitions=1)
    cluster.hub.send("device-00001", raw="\x1f\ufffd\x08", system={"content-encoding": "gzip"})
    cluster.hub.send("device-00001", raw="\ufeff{}", system={"content-encoding": "utf-16"})
    cluster.hub.send("device-00001", raw='{"seq":1', system={"content-type": "text/csv"})
    # A name that is wrong does no harm.
    send(cluster, "device-00001", 7, content_encoding="gzip", content_type="text/csv")
    wait_until(lambda: len(cluster.dead_letters()) == 3 and values(cluster, "device-00001"), 60,
               "three are dead letters, one is delivered")
    assert list(values(cluster, "device-00001")) == [7]
    packed, wide, cut = cluster.dead_letters()
    assert {letter.reason for letter in (packed, wide, cut)} == {"unparsable"}
    assert "encoded as 'gzip', which is not read" in packed.detail
    assert "encoded as 'utf-16', which is not read" in wide.detail
    assert "encoded" not in cut.detail and "not a JSON object" in cut.detail
    kept = cluster.query("SELECT context ->> 'content_encoding' AS encoding FROM"
                         " holdfast.dead_letters ORDER BY sequence")
    assert [row.encoding for row in kept] == ["gzip", "utf-16", "utf-8"]
    end(cluster)


def test_a_replay_gives_the_times_of_the_first_attempt(make_cluster):
    cluster = make_cluster(nodes=1, partitions=1)
    cluster.query("SELECT holdfast.set_fleet(name => 'demo', destination => 'thingworx',"
                  " auto_bind => false)", user="admin")
    device = "device-00003"
    created = int(time.time() * 1000) - DAY_MS
    cluster.hub.send(device, body={"seq": 1}, properties={"line": "7"},
                     system={"iothub-creation-time-utc": created, "dt-subject": "engine"})
    send(cluster, device, 2)
    wait_until(lambda: len(cluster.dead_letters()) == 2, 60, "nobody binds it")
    (context,) = cluster.query("SELECT context FROM holdfast.dead_letters WHERE sequence = 0")
    assert context.context["creation_ms"] == created
    assert context.context["subject"] == "engine"
    assert context.context["properties"] == {"line": "7"}
    cluster.query("SELECT holdfast.bind_device('demo', %s, %s)", (device, device), user="admin")
    cluster.query("SELECT holdfast.replay_dead_letters(device => %s)", (device,), user="admin")
    wait_until(lambda: len(values(cluster, device)) == 2, 60, "they are replayed")
    assert values(cluster, device) == {1: created, 2: enqueued(cluster, device)[2]}
    end(cluster)
