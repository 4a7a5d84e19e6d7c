"""ThingWorx that refuses, starts, or dislikes one value."""

import json
import signal
import time

import pytest

from harness.waiting import wait_until
from proof import end, settle

RATE = 500


def test_503_for_a_while(make_cluster):
    cluster = make_cluster(nodes=2)
    cluster.hub.generate(rate=RATE)
    wait_until(cluster.checkpoints, 60, "events are delivered")
    cluster.thingworx.fault(kind="status", status=503)
    wait_until(lambda: cluster.thingworx.state()["refused"].get("503", 0) > 0, 60,
               "requests are refused")
    emitted = cluster.hub.state()["emitted"]
    wait_until(lambda: cluster.hub.state()["emitted"] >= emitted + 3 * RATE, 60,
               "events are sent meanwhile")
    cluster.thingworx.clear_faults()
    settle(cluster, duplicates=0)
    end(cluster)


@pytest.mark.parametrize("fault, seconds", [
    ({"kind": "starting"}, 60), ({"kind": "status", "status": 404}, 20), ({"kind": "status", "status": 500}, 20)],
    ids=["starting", "404", "500"])
def test_404_to_everything_dead_letters_nothing(make_cluster, fault, seconds):
    """A platform that starts answers 404 with a page to every request, for a minute and more; one that
    has lost its Things, or fails at each, says that it is ready."""
    cluster = make_cluster(nodes=2, devices=50)
    cluster.hub.generate(devices=50, rate=100)
    wait_until(cluster.checkpoints, 60, "events are delivered")
    began = time.monotonic()
    cluster.thingworx.fault(seconds=seconds, **fault)
    while time.monotonic() - began < seconds - 1:
        assert cluster.dead_letters() == []
        time.sleep(2)
    settle(cluster, duplicates=0, timeout=120)
    end(cluster)


def test_a_poison_value_is_dead_lettered_alone(make_cluster):
    cluster = make_cluster(nodes=2)
    cluster.thingworx.ask("/things", {"names": ["poisoned"], "permissive": False,
                                      "properties": {"seq": "LONG", "p1": "NUMBER",
                                                     "p2": "NUMBER"}})
    cluster.hub.generate(rate=RATE)
    for seq in range(1, 31):
        value = "no number" if seq == 15 else seq + 0.5
        cluster.hub.send("poisoned", body={"seq": seq, "p1": value, "p2": 2})
    wait_until(cluster.dead_letters, 60, "the poison value is a dead letter")
    settle(cluster, duplicates=0, dead_letters=1)
    (letter,) = cluster.dead_letters()
    assert (letter.device, letter.property, letter.reason) == ("poisoned", "p1", "refused")
    current = cluster.thingworx.ask("/things/poisoned")
    assert "30.5" in json.dumps(current)
    end(cluster)


def test_a_thing_that_was_refused_before_is_given_another_chance(make_cluster):
    """Known for one bad property, and then the platform begins to refuse everything."""
    cluster = make_cluster(nodes=1, things=["device-1"])
    cluster.thingworx.ask("/things", {"names": ["strict"], "permissive": False,
                                      "properties": {"p1": "NUMBER"}})
    cluster.thingworx.fault(kind="status", status=500, thing="strict", property="bad")

    def refused():
        cluster.hub.send("device-1", body={"p1": 1})  # who is accepted proves it
        return cluster.dead_letters()

    cluster.hub.send("strict", body={"bad": 1})
    wait_until(refused, 60, "the bad value is a dead letter", every=0.2)
    cluster.wait_delivered()
    cluster.hub.send("device-1", body={"p1": 2})
    cluster.wait_delivered()
    cluster.thingworx.fault(kind="status", status=500)
    before = cluster.thingworx.state()["refused"]["500"]
    cluster.hub.send("strict", body={"p1": 3})
    wait_until(lambda: cluster.thingworx.state()["refused"]["500"] >= before + 3, 60,
               "the good value is refused again and again")
    cluster.thingworx.ask("/fault", method="DELETE")
    cluster.wait_delivered()
    assert [letter.property for letter in cluster.dead_letters()] == ["bad"]
    assert cluster.thingworx.ask("/things/strict")["properties"]["p1"]["value"] == 3
    end(cluster)


def test_an_unparsable_event_is_dead_lettered_alone(make_cluster):
    cluster = make_cluster(nodes=2)
    cluster.hub.generate(rate=RATE)
    cluster.hub.send("device-00001", raw='{"seq": 1, "p1": NaN}')
    wait_until(cluster.dead_letters, 60, "the event is a dead letter")
    cluster.hub.stop_generator()
    cluster.wait_delivered()
    (letter,) = cluster.dead_letters()
    assert (letter.device, letter.property, letter.reason) == ("device-00001", "", "unparsable")
    end(cluster)


def test_a_dead_letter_is_stored_before_its_event_counts_as_done(make_cluster):
    """While the database refuses the dead letter, the checkpoint stays below its event."""
    cluster = make_cluster(nodes=2)
    table = "ALTER TABLE holdfast.dead_letter"
    cluster.query(f"{table} ADD CONSTRAINT refused CHECK (false) NOT VALID")
    cluster.hub.send("device-00001", raw='{"seq": 1, "p1": NaN}', partition=0)
    cluster.hub.generate(rate=RATE)

    def others_go_on():
        reached = cluster.checkpoints()
        return cluster.hub.ends()["0"] > 50 and all(
            reached.get(str(p), -1) > 50 for p in range(1, cluster.hub.partitions))

    wait_until(others_go_on, 60, "the other partitions are delivered")
    assert "0" not in cluster.checkpoints(), "nothing is above the event but behind a checkpoint"
    assert cluster.dead_letters() == []
    cluster.query(f"{table} DROP CONSTRAINT refused")
    wait_until(cluster.dead_letters, 60, "the event is a dead letter")
    cluster.hub.stop_generator()
    cluster.wait_delivered()
    (letter,) = cluster.dead_letters()
    assert (letter.partition, letter.sequence, letter.reason) == ("0", 0, "unparsable")
    end(cluster)


def test_an_unbound_device_waits_until_it_is_bound(make_cluster):
    cluster = make_cluster(nodes=2)
    cluster.query("SELECT holdfast.set_fleet(name => 'demo', destination => 'thingworx',"
                  " device_pattern => '^device-')", user="admin")
    cluster.thingworx.make_things(names=["stranger"])
    cluster.hub.generate(rate=RATE)
    for seq in range(1, 4):
        cluster.hub.send("stranger", body={"seq": seq, "p1": seq})
    wait_until(lambda: len(cluster.dead_letters()) == 3, 60, "its events are dead letters")
    assert {letter.reason for letter in cluster.dead_letters()} == {"unbound"}
    assert [row.device for row in cluster.query(
        "SELECT device FROM holdfast.unbound_devices", user="reader")] == ["stranger"]
    cluster.query("SELECT holdfast.bind_device(fleet => 'demo', device => 'stranger',"
                  " thing => 'stranger')", user="admin")
    cluster.query("SELECT holdfast.replay_dead_letters(device => 'stranger')", user="admin")

    def replayed():
        return all(letter.state not in ("kept", "requested", "claimed")
                   for letter in cluster.dead_letters())

    wait_until(replayed, 60, lambda: f"they are delivered: {cluster.dead_letters()}")
    found = settle(cluster, duplicates=0, dead_letters=3)
    assert found["excepted"] == 0, "what was replayed arrived"
    end(cluster)


def test_a_wrong_key_pauses_and_a_new_one_is_found(make_cluster):
    """401 to everything is a fault of the configuration: nothing is lost, nothing dead-lettered."""
    cluster = make_cluster(nodes=1)
    key_file = cluster.run.path / "secrets" / "thingworx-app-key"
    right = key_file.read_text()
    key_file.write_text("wrong")
    cluster.nodes["node-1"].signal(signal.SIGHUP)
    cluster.hub.generate(rate=RATE)
    wait_until(lambda: cluster.thingworx.state()["refused"].get("401", 0) > 0, 60,
               "requests are refused for their key")
    wait_until(lambda: cluster.query("SELECT 1 FROM holdfast.destinations"
                                     " WHERE state = 'paused'"), 60, "the destination is paused")
    key_file.write_text(right)
    wait_until(cluster.checkpoints, 60, "the replaced key is found and events are delivered")
    settle(cluster, duplicates=0)
    end(cluster)
