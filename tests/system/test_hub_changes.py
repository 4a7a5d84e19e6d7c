"""A hub as it is in the field: over TLS, behind its IoT hub, renamed, made anew."""

import pytest

from harness.waiting import wait_until
from proof import accepted, died_with, end, settle
from source_kit import Proxy

RATE = 500


def feed(cluster, events):
    """So many events at RATE, then silence."""
    cluster.hub.generate(rate=RATE, events=events)
    wait_until(lambda: not cluster.hub.state()["running"], 60, "all events are emitted")


def all_reading(cluster):
    """Every partition of the hub as it is now has a reader."""
    partitions = cluster.hub.state()["partitions"]
    return all(entry["receivers"] for entry in partitions)


@pytest.mark.parametrize("form", ["tls", "iothub"])
def test_telemetry_flows(make_cluster, form):
    cluster = make_cluster(nodes=2, partitions=4, form=form)
    feed(cluster, 2 * RATE)
    settle(cluster, duplicates=0)
    victim = cluster.leader()
    orphans = len(cluster.partitions_of(victim))
    cluster.nodes[victim].kill()
    feed(cluster, 2 * RATE)
    settle(cluster, duplicates=died_with(RATE, orphans, 4))
    end(cluster)


def test_a_proxy_leads_to_the_hub(make_cluster):
    proxy = Proxy()
    cluster = make_cluster(nodes=2, partitions=2, form="iothub",
                           policies={"proxy": f"http://{proxy.place}"})
    feed(cluster, RATE)
    settle(cluster, duplicates=0)
    assert len(proxy.asked) >= 4  # two nodes, each to the IoT hub and to its endpoint
    assert [row.proxy for row in cluster.query("SELECT proxy FROM holdfast.hubs")] == [proxy.place]
    # To do without it is to connect anew, at once.
    cluster.policies = {}
    cluster.configure()
    proxy.listener.close()
    feed(cluster, RATE)
    settle(cluster, duplicates=0)
    end(cluster)


def test_reading_begins_at_a_sequence_number(make_cluster):
    cluster = make_cluster(started=False, nodes=0, partitions=1, devices=1,
                           policies={"start_at": "sequence:150"})
    cluster.prepare()
    cluster.configure()
    cluster.hub.generate(devices=1, rate=0, events=200, preload=True)
    cluster.add_node("node-1")
    wait_until(lambda: len(accepted(cluster)) >= 50, 60, "what is behind it is delivered")
    cluster.hub.generate(devices=1, rate=0, events=50)
    wait_until(lambda: len(accepted(cluster)) >= 100, 60, "and what comes after that")
    # the sequence numbers of the log count from 0, those of a device from 1
    assert [seq for _at, _sender, _thing, seq in accepted(cluster)] == list(range(151, 251))
    end(cluster)


@pytest.mark.parametrize("what", ["rename", "recreate"])
def test_a_new_log_is_read_from_its_beginning(make_cluster, what):
    cluster = make_cluster(nodes=2, partitions=4, form="iothub")
    feed(cluster, RATE)
    settle(cluster, duplicates=0)
    wait_until(lambda: len(cluster.checkpoints()) == 4, 60, "every partition has a checkpoint")
    cluster.hub.ask(f"/{what}", {"hub": "telemetry-2"} if what == "rename" else {})
    feed(cluster, 2 * RATE)
    wait_until(lambda: all_reading(cluster), 60, "every partition of the new log is read")
    settle(cluster, duplicates=0, timeout=60)
    history = cluster.query("SELECT generation FROM holdfast.checkpoint_history"
                            " WHERE event_offset IS NOT NULL")
    assert [row.generation for row in history] == [1, 1, 1, 1]
    assert {row.generation for row in
            cluster.query("SELECT generation FROM holdfast.partition")} == {2}
    end(cluster)


def unknown_offsets(cluster):
    """The checkpoints point behind the end of the log, as when a hub lost its tail."""
    for node in cluster.nodes.values():
        assert node.stop() == 0
    cluster.query("UPDATE holdfast.checkpoint SET event_offset = '99999999', sequence = 99999999")
    for node in cluster.nodes.values():
        node.start()


def test_an_offset_that_does_not_exist_stops_its_partition_and_says_so(make_cluster):
    cluster = make_cluster(nodes=1, partitions=2)
    feed(cluster, RATE)
    settle(cluster, duplicates=0)
    unknown_offsets(cluster)
    wait_until(lambda: len(cluster.query("SELECT 1 FROM holdfast.events WHERE kind = 'checkpoint'"
                                         "   AND hint ~ 'on_invalid_offset'")) >= 2, 60,
               "both partitions say that they wait for an administrator")
    # The administrator decides; what was delivered before comes again, once.
    cluster.query("SELECT holdfast.set_hub('demo', 'demo', 'demo-hub', 'holdfast',"
                  " on_invalid_offset => 'earliest')", user="admin")
    wait_until(lambda: all_reading(cluster), 60, "both partitions are read again")
    feed(cluster, RATE)
    settle(cluster, duplicates=RATE, timeout=60)
    kept = cluster.query("SELECT event_offset FROM holdfast.checkpoint_history")
    assert [row.event_offset for row in kept] == ["99999999", "99999999"]
    end(cluster)


def test_an_offset_that_does_not_exist_goes_on_by_policy(make_cluster):
    cluster = make_cluster(nodes=1, partitions=2, policies={"on_invalid_offset": "latest"})
    feed(cluster, RATE)
    settle(cluster, duplicates=0)
    unknown_offsets(cluster)
    wait_until(lambda: all_reading(cluster), 60, "both partitions are read again")
    feed(cluster, RATE)
    settle(cluster, duplicates=0)
    end(cluster)


def move_to(cluster, node):
    """The only partition is read by this node, wherever a drain may have sent it meanwhile."""
    def moved():
        if cluster.owners().get("0") != node:
            cluster.query("SELECT holdfast.move_partition('demo', '0', %s)", (node,), user="admin")
            return False
        return cluster.grants()["0"][2] == "owned" and all_reading(cluster)

    wait_until(moved, 60, f"{node} reads the partition", every=0.5)


@pytest.mark.parametrize("takes_over", ["leader", "bystander"])
def test_a_new_log_is_found_by_who_read_nothing(make_cluster, takes_over):
    """Its warm connection is told nothing of a hub that is made anew: it must look by itself, and
    must not report the old log when it comes to lead."""
    cluster = make_cluster(nodes=2 if takes_over == "leader" else 3, partitions=1)
    leader = cluster.leader()
    other = next(name for name in cluster.nodes if name != leader)
    # In the one case the leader dies and who leads then reads nothing at first; in the other the
    # leader lives, and who takes over has nothing to report.
    owner, idle = (leader, other) if takes_over == "leader" else (other, leader)
    cluster.query("SELECT holdfast.drain_node(%s)", (idle,), user="admin")
    move_to(cluster, owner)
    feed(cluster, RATE)
    settle(cluster, duplicates=0)
    cluster.hub.ask("/recreate", {})
    wait_until(lambda: cluster.query("SELECT 1 FROM holdfast.partition WHERE generation = 2"), 60,
               "the new log is known")
    wait_until(lambda: all_reading(cluster), 60, "the new log is read")
    feed(cluster, RATE)
    settle(cluster, duplicates=0)
    cluster.nodes[owner].kill()
    if takes_over == "leader":
        wait_until(lambda: cluster.leader() == other, 60, "the other leads")
        cluster.query("SELECT holdfast.undrain_node(%s)", (other,), user="admin")
    wait_until(lambda: cluster.owners().get("0") not in (None, owner), 60, "another takes over")
    wait_until(lambda: all_reading(cluster), 60, "it reads the new log")
    feed(cluster, RATE)
    settle(cluster, duplicates=died_with(RATE, 1, 1))
    assert cluster.query("SELECT generation FROM holdfast.partition")[0].generation == 2
    end(cluster)


def test_a_fleet_is_dropped_while_its_devices_are_looked_up(make_cluster):
    """Their events go by the fleet that the hub is of by now; nothing waits for the old one."""
    cluster = make_cluster(nodes=1, partitions=1, things=["device-1", "device-2"])
    cluster.hub.send("device-1", body={"x": 1})
    cluster.wait_delivered()
    change = cluster.postgres.connect("admin", cluster.database)
    change.autocommit = False
    with change.cursor() as cursor:
        cursor.execute("SELECT holdfast.set_fleet(name => 'other', destination => 'thingworx')")
        cursor.execute("SELECT holdfast.set_hub('demo', 'other', 'demo-hub', 'holdfast')")
        cursor.execute("SELECT holdfast.drop_fleet('demo')")
        cluster.hub.send("device-2", body={"x": 2})
        wait_until(lambda: cluster.query(
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%%holdfast.resolve%%' AND"
            " wait_event_type = 'Lock' AND pid <> pg_backend_pid()"), 30,
                   "the node waits for the fleet of device-2")
    change.commit()
    change.close()
    cluster.wait_delivered()
    assert cluster.dead_letters() == []
    end(cluster)
