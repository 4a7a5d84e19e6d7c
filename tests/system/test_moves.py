"""Planned moves and what administrators steer, with real nodes under load."""

import time

from harness import http, pauses
from harness.waiting import wait_until
from proof import end, settle, unsaved

RATE = 800
# Neither a lease nor a clean stop ends here because the machine is busy.
PATIENT = ["--ttl-ms", 30_000, "--drain-ms", 50_000]


def admin(cluster, text, *arguments):
    return cluster.query(text, arguments, user="admin")


def partition_row(cluster, partition):
    (row,) = cluster.watch("SELECT * FROM holdfast.partitions WHERE partition = %s", (partition,))
    return row


def flowing(cluster, more=RATE):
    """Waits until as many more events have been emitted and every partition moves on."""
    emitted = cluster.hub.state()["emitted"]
    before = cluster.checkpoints()
    wait_until(lambda: cluster.hub.state()["emitted"] >= emitted + more, 60, "events flow")

    def moved():
        now = cluster.checkpoints()
        return len(now) == cluster.hub.partitions and all(
            now[partition] > before.get(partition, -1) for partition in now)

    wait_until(moved, 60, lambda: f"all are delivered on: from {before} to {cluster.checkpoints()}")


def test_planned_moves_pause_briefly_and_repeat_nothing(make_cluster):
    """The strict figure is ./dev bench moves; this machine may be busy."""
    cluster = make_cluster(nodes=2, node_arguments=PATIENT)
    cluster.hub.generate(rate=RATE)
    flowing(cluster)
    since = int(time.time() * 1e6)
    to = next(name for name in cluster.nodes if name != cluster.owners()["0"])
    admin(cluster, "SELECT holdfast.move_partition('demo', '0', %s, pin => true)", to)
    wait_until(lambda: cluster.owners().get("0") == to, 60, "it is moved")
    cluster.add_node("late")
    cluster.wait_balanced()
    assert cluster.owners()["0"] == to, "a pinned partition is not moved to balance"
    admin(cluster, "SELECT holdfast.drain_node(%s)", to)
    wait_until(lambda: cluster.partitions_of(to) == [], 60, "it is drained")
    admin(cluster, "SELECT holdfast.undrain_node(%s)", to)
    cluster.wait_balanced()
    wait_until(lambda: cluster.owners().get("0") == to, 60, "the pin counts again")
    assert cluster.nodes["late"].stop() == 0
    wait_until(lambda: len(cluster.owners()) == cluster.hub.partitions, 60, "all have owners")
    flowing(cluster)
    found = pauses.greatest(cluster, since, int(time.time() * 1e6))
    print("the longest pause of each partition, in ms:", found)
    assert len(found) == cluster.hub.partitions and max(found.values()) < 15_000
    settle(cluster, duplicates=0)
    end(cluster)


def test_a_paused_partition_and_a_paused_hub(make_cluster):
    cluster = make_cluster(nodes=2, node_arguments=PATIENT)
    cluster.hub.generate(rate=RATE)
    flowing(cluster)
    admin(cluster, "SELECT holdfast.pause_partition('demo', '3', 'the line is being rebuilt')")
    wait_until(lambda: partition_row(cluster, "3").state == "paused", 60, "it is paused")
    stopped_at = partition_row(cluster, "3").sequence
    wait_until(lambda: cluster.hub.ends()["3"] > stopped_at, 30, "it would have something to read")
    before = cluster.checkpoints()
    wait_until(lambda: all(cluster.checkpoints()[partition] > before[partition]
                           for partition in before if partition != "3"), 30, "the others go on")
    assert partition_row(cluster, "3").sequence == stopped_at
    # Not for a death either.
    orphans = cluster.partitions_of("node-1")
    saved = cluster.checkpoints()
    cluster.nodes["node-1"].kill()
    duplicates = unsaved(cluster, saved, orphans)
    wait_until(lambda: set(cluster.owners().values()) == {"node-2"}, 60, "the other has all")
    assert partition_row(cluster, "3").owner is None
    admin(cluster, "SELECT holdfast.resume_partition('demo', '3')")
    wait_until(lambda: partition_row(cluster, "3").sequence > stopped_at, 60, "it is read on")
    admin(cluster, "SELECT holdfast.pause_hub('demo', 'maintenance')")
    wait_until(lambda: cluster.owners() == {}, 60, "nobody reads the hub")
    emitted = cluster.hub.state()["emitted"]
    wait_until(lambda: cluster.hub.state()["emitted"] >= emitted + RATE, 30, "events are sent")
    (row,) = cluster.watch("SELECT paused, without_owner FROM holdfast.status")
    assert (row.paused, row.without_owner) == (cluster.hub.partitions, 0)
    admin(cluster, "SELECT holdfast.resume_hub('demo')")
    wait_until(lambda: len(cluster.owners()) == cluster.hub.partitions, 60, "all are read again")
    # The kill of one of two nodes may repeat what it had not saved; the pauses repeat nothing.
    settle(cluster, duplicates=duplicates)
    end(cluster)


def enqueued(cluster, partition):
    """When the hub took each event of a partition, in ms since 1970."""
    _status, text = http.fetch(cluster.hub.control + "/log")
    rows = (line.split("\t") for line in text.splitlines())
    return [int(row[3]) for row in rows if row[0] == partition]


def test_checkpoints_are_reset_to_the_start_to_a_time_and_to_the_end(make_cluster):
    cluster = make_cluster(nodes=2, devices=40, node_arguments=PATIENT)
    cluster.hub.generate(devices=40, rate=200)
    flowing(cluster, 400)
    # All that partition 0 has had comes again, and nothing of the others.
    admin(cluster, "SELECT holdfast.reset_checkpoint('demo', '0', start_at => 'earliest')")
    wait_until(lambda: partition_row(cluster, "0").generation == 2
               and partition_row(cluster, "0").sequence is not None, 30, "it is read again")
    cluster.hub.stop_generator()
    cluster.wait_delivered(60)
    found = cluster.check()
    again = found["duplicates"]
    assert found["lost"] == 0 and 0 < again <= cluster.hub.ends()["0"] + 1
    # From a time on: of partition 1, what the hub took since then.
    middle = partition_row(cluster, "1").enqueued_at
    admin(cluster, "SELECT holdfast.reset_checkpoint('demo', '1', start_at => %s)",
          middle.isoformat())
    since_ms = round(middle.timestamp() * 1000)
    newest = sum(enqueued_ms >= since_ms for enqueued_ms in enqueued(cluster, "1"))
    wait_until(cluster.delivered_all, 30, "it is read again to its end")
    found = cluster.check()
    assert found["lost"] == 0 and found["duplicates"] == again + newest > again
    # To the end: what comes while partition 2 is paused is skipped.
    admin(cluster, "SELECT holdfast.pause_partition('demo', '2', 'to be skipped')")
    wait_until(lambda: partition_row(cluster, "2").state == "paused", 60, "it is paused")
    stopped_at = partition_row(cluster, "2").sequence
    cluster.hub.generate(devices=40, rate=200)
    wait_until(lambda: cluster.hub.ends()["2"] >= stopped_at + 20, 30, "events are sent")
    cluster.hub.stop_generator()
    skipped = cluster.hub.ends()["2"]
    admin(cluster, "SELECT holdfast.reset_checkpoint('demo', '2', start_at => 'latest',"
                   " allow_skip => true), holdfast.resume_partition('demo', '2')")
    cluster.hub.generate(devices=40, rate=200)
    wait_until(lambda: (partition_row(cluster, "2").sequence or 0) > skipped, 30,
               "what comes later is delivered")
    cluster.hub.stop_generator()
    cluster.wait_delivered(60)
    found = cluster.check()
    assert found["lost"] == skipped - stopped_at, found["lost_examples"]
    end(cluster)


def test_a_move_is_called_off_when_thingworx_hangs(make_cluster):
    cluster = make_cluster(nodes=2, node_arguments=PATIENT)
    admin(cluster, "SELECT holdfast.set_setting('move_deadline_ms', '1500')")
    cluster.hub.generate(rate=RATE)
    flowing(cluster)
    cluster.hold("0")
    owner = cluster.owners()["0"]
    admin(cluster, "SELECT holdfast.drain_node(%s)", owner)
    # That it began is seen by its end, which stays: the state in between is over in a moment.
    wait_until(lambda: cluster.watch("SELECT 1 AS found FROM holdfast.events"
                                     " WHERE message = 'Planned moves were called off'"), 60,
               "the move is called off")
    wait_until(lambda: partition_row(cluster, "0").state == "owned", 60, "it stays")
    assert partition_row(cluster, "0").owner == owner
    cluster.thingworx.clear_faults()
    sequence = partition_row(cluster, "0").sequence
    wait_until(lambda: partition_row(cluster, "0").sequence > sequence, 60, "it is read on")
    # Requests that hung were sent again; ThingWorx had not taken them.
    settle(cluster, duplicates=0)
    end(cluster)


def releasing(cluster):
    """A move from an owner that cannot finish it; gives (owner, successor) of partition 0."""
    admin(cluster, "SELECT holdfast.set_setting('move_deadline_ms', '600000')")
    flowing(cluster)
    cluster.hold("0")
    owner = cluster.owners()["0"]
    to = next(name for name in sorted(cluster.nodes) if name != owner)
    admin(cluster, "SELECT holdfast.move_partition('demo', '0', %s, pin => true)", to)
    wait_until(lambda: partition_row(cluster, "0").next_owner == to, 60, "the move begins")
    return owner, to


def test_the_owner_dies_in_the_middle_of_a_move(make_cluster):
    cluster = make_cluster(node_arguments=PATIENT)
    cluster.hub.generate(rate=RATE)
    owner, to = releasing(cluster)
    saved = cluster.checkpoints()
    cluster.nodes[owner].kill()
    # What came behind the event that hangs was delivered, and no checkpoint can be past that event.
    # Others may be on the move too: of all partitions.
    duplicates = unsaved(cluster, saved)
    wait_until(lambda: cluster.owners().get("0") == to, 60, "the successor inherits")
    wait_until(lambda: len(cluster.owners()) == cluster.hub.partitions, 60, "all have owners")
    assert owner not in cluster.owners().values()
    cluster.thingworx.clear_faults()
    settle(cluster, duplicates=duplicates)
    end(cluster)


def test_the_successor_dies_in_the_middle_of_a_move(make_cluster):
    cluster = make_cluster(node_arguments=PATIENT)
    cluster.hub.generate(rate=RATE)
    owner, to = releasing(cluster)
    token = partition_row(cluster, "0").token
    saved = cluster.checkpoints()
    cluster.nodes[to].kill()
    # Others may be on the move to it; of partition 0 nothing is repeated.
    duplicates = unsaved(cluster, saved, set(saved) - {"0"})
    wait_until(lambda: partition_row(cluster, "0").state == "owned", 60, "the move is over")
    row = partition_row(cluster, "0")
    assert (row.owner, row.token) == (owner, token), "the owner reads on under its token"
    wait_until(lambda: len(cluster.owners()) == cluster.hub.partitions, 60, "all have owners")
    cluster.thingworx.clear_faults()
    settle(cluster, duplicates=duplicates)
    end(cluster)


def test_a_node_that_flaps_moves_nothing_between_the_others(make_cluster):
    """Each death and each return moves what that node has; the others keep theirs, and after a few
    deaths nothing is moved to it any more."""
    cluster = make_cluster(node_arguments=PATIENT)
    cluster.hub.generate(rate=RATE)
    flowing(cluster)
    flapper = cluster.nodes["node-3"]
    # The nodes join one after another, so there were moves at the start.
    (began,) = cluster.query("SELECT clock_timestamp() AS at")
    duplicates = 0
    for _ in range(3):
        saved = cluster.checkpoints()
        flapper.kill()
        duplicates += unsaved(cluster, saved)  # of all: they are on the move to it
        wait_until(lambda: "node-3" not in cluster.owners().values()
                   and len(cluster.owners()) == cluster.hub.partitions, 60, "others have all")
        flapper.start()
        wait_until(lambda: cluster.watch("SELECT 1 AS found FROM holdfast.nodes"
                                         " WHERE node = 'node-3' AND state = 'live'"), 60, "back")
    assert cluster.watch("SELECT 1 AS found FROM holdfast.events WHERE node = 'node-3'"
                         " AND message = 'A node that dies again and again waits for partitions'")
    cluster.wait_balanced(60)
    between = cluster.query(
        "SELECT h.hub, h.partition, h.node, h.why FROM holdfast.partition_history h"
        "  JOIN holdfast.partition_history l ON l.partition = h.partition AND l.until <= h.since"
        " WHERE h.since > %s AND h.node <> 'node-3' AND l.node <> 'node-3' AND h.node <> l.node"
        "   AND NOT EXISTS (SELECT FROM holdfast.partition_history m WHERE m.partition = h.partition"
        "                    AND m.since >= l.until AND m.until <= h.since)",
        (began.at,))
    assert between == [], "nothing moves from one steady node to another"
    settle(cluster, duplicates=duplicates)
    end(cluster)


def test_a_declined_partition_repeats_nothing(make_cluster):
    """A node that may not read a partition any more gives it back, and nobody has died: what it had
    on the wire is finished, and what it has delivered is saved before."""
    cluster = make_cluster(nodes=2, devices=16, partitions=4, node_arguments=PATIENT)
    cluster.thingworx.fault(kind="latency", ms=600)
    cluster.hub.generate(devices=16, rate=200)
    flowing(cluster, 200)
    before = cluster.owners()

    def given_back():
        """Of their many events of few Things some are always on the wire. One that is on the move just
        then has no reader that could be detached."""
        left = set(before) - {row.partition for row in cluster.query(
            "SELECT p.partition FROM holdfast.ownership o"
            "  JOIN holdfast.partition p USING (partition_id) WHERE o.end_reason = 'declined'")}
        for partition in left:
            cluster.hub.fault(kind="detach", partition=int(partition), condition="amqp:not-allowed")
        return not left

    wait_until(given_back, 60, "all are given back once", every=0.1)
    wait_until(lambda: len(cluster.owners()) == len(before), 60, "all have owners again")
    flowing(cluster, 200)
    cluster.thingworx.clear_faults()
    settle(cluster, duplicates=0)
    end(cluster)
