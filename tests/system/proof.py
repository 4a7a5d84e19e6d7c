"""What every scenario ends with: nothing lost, order kept, duplicates within the promise."""

from harness import audit, http

# While one node dies, what it had delivered since its last saved checkpoint comes again: saved
# every 250 ms or so, plus what was on the wire. The sanitizers slow everything down, so a second.
UNSAVED_SECONDS = 1.0


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


def died_with(rate, partitions, of):
    """How many events may come twice when the owner of so many partitions died."""
    return int(rate * UNSAVED_SECONDS * partitions / of) + 1


def accepted(cluster, sender=None):
    """[(accepted_us, sender, thing, seq)] from the ledger, in order."""
    _status, text = http.fetch(cluster.thingworx.control + "/ledger?names=seq")
    rows = (line.split("\t") for line in text.splitlines())
    return [(int(row[1]), row[2], row[3], int(row[6])) for row in rows
            if sender is None or row[2] == sender]
