"""Nodes that die, and nodes that only seem to."""

import signal
import time

import pytest

from harness.waiting import wait_until
from proof import accepted, died_with, end, settle, unsaved

RATE = 800
# How fast it goes on is measured by ./dev bench; these machines are shared, so a test only says that
# nobody waits for a time-out that is not meant for this: for the TTL when a process was killed.
STUCK = 30
LONG_TTL = 60


def steady(cluster):
    """Events flow through every partition."""
    cluster.hub.generate(rate=RATE)
    wait_until(lambda: len(cluster.checkpoints()) == cluster.hub.partitions, 30,
               "every partition has a checkpoint")


def answer_late(cluster, function, seconds):
    """Makes a function of the database take its time."""
    (row,) = cluster.query("SELECT pg_get_functiondef(%s::regproc) AS text", (function,))
    assert row.text.count("\nBEGIN\n") == 1
    cluster.query(row.text.replace("\nBEGIN\n", f"\nBEGIN\n PERFORM pg_sleep({seconds});\n"))


@pytest.mark.parametrize("who", ["leader", "follower"])
def test_sigkill(make_cluster, who):
    cluster = make_cluster(node_arguments=["--ttl-ms", LONG_TTL * 1000])
    steady(cluster)
    leader = cluster.leader()
    victim = leader if who == "leader" else next(n for n in cluster.nodes if n != leader)
    orphans = cluster.partitions_of(victim)
    saved = cluster.checkpoints()
    killed_at = time.time()
    cluster.nodes[victim].kill()
    duplicates = unsaved(cluster, saved, orphans)
    assert duplicates <= died_with(RATE, len(orphans), cluster.hub.partitions), "it saves often"
    wait_until(lambda: len(cluster.owners()) == cluster.hub.partitions
               and victim not in cluster.owners().values(), STUCK, "the orphans have new owners")
    if who == "leader":
        wait_until(lambda: cluster.term_after(killed_at), STUCK, "another node leads")
        assert cluster.leader() != victim
    else:
        assert cluster.leader() == leader
    emitted = cluster.hub.state()["emitted"]
    wait_until(lambda: cluster.hub.state()["emitted"] >= emitted + RATE, 30, "events flow on")
    settle(cluster, duplicates=duplicates)
    taken = cluster.check(since_us=int(killed_at * 1e6), not_sender=victim)
    pause = max(taken["first_accepted_us"][p] for p in orphans) / 1e6 - killed_at
    print(f"{who} killed: its partitions were delivered again after {pause * 1000:.0f} ms")
    assert pause < STUCK
    cluster.nodes[victim].start()
    cluster.wait_balanced()
    end(cluster)


@pytest.mark.parametrize("hub", ["there", "restarted"])
def test_a_frozen_node_sends_nothing_unconfirmed(make_cluster, hub):
    """A hub that has restarted meanwhile does not tell it that its partitions are stolen."""
    ttl = 4.0
    cluster = make_cluster(node_arguments=["--ttl-ms", int(ttl * 1000)])
    steady(cluster)
    victim = cluster.leader()
    orphans = cluster.partitions_of(victim)
    node = cluster.nodes[victim]
    # All that it may have on the wire hangs, and the rest waits to be sent: it is not stopped in the
    # middle of sending, which is on the wire in its own way.
    cluster.thingworx.fault(kind="hang")
    wait_until(lambda: node.metric("holdfast_destination_requests_in_flight")
               >= max(1, node.metric("holdfast_destination_requests_allowed"))
               and node.metric("holdfast_events_in_flight") > RATE // 10, 30,
               "nothing more can be sent")
    saved = cluster.checkpoints()
    stopped_at = time.time()
    node.signal(signal.SIGSTOP)
    cluster.thingworx.clear_faults()
    try:
        duplicates = unsaved(cluster, saved, orphans)
        wait_until(lambda: len(cluster.owners()) == cluster.hub.partitions
                   and victim not in cluster.owners().values(), ttl + STUCK,
                   "the partitions of the frozen node have new owners")
        emitted = cluster.hub.state()["emitted"]
        wait_until(lambda: cluster.hub.state()["emitted"] >= emitted + RATE, 30,
                   "events flow without it")
        grants_before = {row.token for row in cluster.query("SELECT token FROM holdfast.ownership")}
        # It joins again, and learns only later what is still its own.
        answer_late(cluster, "holdfast.assignment", 0.5)
        if hub == "restarted":
            cluster.hub.restart()
            cluster.hub.generate(rate=RATE)
    finally:
        resumed_at = time.time()
        node.signal(signal.SIGCONT)
    wait_until(lambda: cluster.partitions_of(victim), 60, "the node that woke up owns again")
    cluster.wait_balanced()
    regained = cluster.query(
        "SELECT (extract(epoch FROM min(lower(o.during))) * 1000000)::bigint AS us"
        "  FROM holdfast.ownership o WHERE o.node = %s AND o.token <> ALL(%s)",
        (victim, sorted(grants_before)))[0].us
    found = settle(cluster, duplicates=duplicates)
    # What was on the wire when it froze has been accepted long ago: silence until it was granted
    # partitions anew.
    early = [entry for entry in accepted(cluster, victim)
             if resumed_at * 1e6 < entry[0] < regained]
    assert early == [], f"resumed at {resumed_at}, granted at {regained}"
    taken = cluster.check(since_us=int(stopped_at * 1e6), not_sender=victim)
    pause = max(taken["first_accepted_us"][p] for p in orphans) / 1e6 - stopped_at
    print(f"frozen: delivered again after {pause:.2f} s with a TTL of {ttl} s; "
          f"{found['duplicates']} duplicates")
    assert pause < ttl + STUCK
    end(cluster)
