"""What every scenario ends with: nothing lost, order kept, duplicates within the promise."""

from harness import audit, http
from harness.waiting import TimedOut

# While one node dies, what it had delivered since its last saved checkpoint comes again: saved
# every 250 ms or so, plus what was on the wire. The sanitizers and whatever else runs on the machine
# slow everything down, so far longer; unsaved() knows it better.
UNSAVED_SECONDS = 5.0


def settle(cluster, *, duplicates, dead_letters=0, timeout=90):
    """Stops the generator, waits until all is delivered, and compares: what ThingWorx accepted
    with what the hub sent, and what the database accepted with who was granted what. Gives the
    counts."""
    emitted = cluster.hub.stop_generator()
    cluster.wait_delivered(timeout)
    found = cluster.check()
    print({key: found[key] for key in ("emitted", "delivered", "lost", "altered", "duplicates",
                                       "out_of_order", "excepted", "foreign")})
    assert found["emitted"] == emitted > 0
    assert found["lost"] == 0, found["lost_examples"]
    assert found["altered"] == 0
    assert found["out_of_order"] == 0
    assert found["foreign"] == 0
    if found["duplicates"] > duplicates:
        undisturbed(cluster)
    assert found["duplicates"] <= duplicates, found["duplicate_examples"]
    assert len(cluster.dead_letters()) == dead_letters
    assert audit.writes(cluster) > 0
    stale = audit.stale_writes(cluster)
    assert stale == [], stale[:5]
    return found


def end(cluster):
    """Stops all nodes cleanly; the sanitizers have their say in the exit status."""
    for node in cluster.nodes.values():
        if node.alive:
            assert node.stop() == 0, f"{node.name} ended with {node.child.status}"
    left = cluster.query("SELECT node FROM holdfast.session WHERE ended_at IS NULL")
    assert left == []
    still = cluster.query("SELECT partition FROM holdfast.partition"
                          " WHERE owner_session_id IS NOT NULL")
    assert still == []


def undisturbed(cluster):
    """What a test says of duplicates and grants counts while the machine lets every node run. One that
    stood still for longer than its margin of trust, and was not stopped by the test, rightly drops what
    it has on the wire and delivers it again, or loses its lease: then we have waited in vain."""
    stood = {node.name: node.stood_still() for node in cluster.nodes.values() if node.stood_still()}
    if stood:
        raise TimedOut(f"the machine lets every node run; they stood still: {stood}")


def unsaved(cluster, saved, partitions=None):
    """How many events of these partitions (default: of all) may come twice, now that their owner has
    ended, or stands still: those that the hub has behind the checkpoints `saved`, which
    cluster.checkpoints() gave shortly before."""
    ends = cluster.hub.ends()
    found = sum(max(0, ends[partition] - saved.get(partition, -1))
                for partition in ends if partitions is None or partition in partitions)
    print(f"not saved: {found} events")
    return found


def died_with(rate, partitions, of):
    """How many events may come twice when the owner of so many partitions died."""
    return int(rate * UNSAVED_SECONDS * partitions / of) + 1


def accepted(cluster, sender=None):
    """[(accepted_us, sender, thing, seq)] from the ledger, in order."""
    _status, text = http.fetch(cluster.thingworx.control + "/ledger?names=seq")
    rows = (line.split("\t") for line in text.splitlines())
    return [(int(row[1]), row[2], row[3], int(row[6])) for row in rows
            if sender is None or row[2] == sender]
