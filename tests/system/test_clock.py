"""Wall clocks that jump, of a node and of the database: no clock is compared between machines, so
nothing happens, and terms still close and open.
"""

import re
import signal
import time

import pytest

from harness import clock, place
from harness.waiting import wait_until
from proof import accepted, died_with, end, settle, undisturbed, unsaved

RATE = 400
TTL = 4.0
HOUR = 3600


def steady(cluster):
    cluster.hub.generate(rate=RATE)
    wait_until(lambda: len(cluster.checkpoints()) == cluster.hub.partitions, 30,
               "every partition has a checkpoint")


def outlive(cluster, seconds):
    """So many seconds' worth of events are sent, and some of them delivered."""
    emitted = cluster.hub.state()["emitted"]
    wait_until(lambda: cluster.hub.state()["emitted"] > emitted + seconds * RATE, 60,
               "events flow on", every=0.1)
    before = len(accepted(cluster))
    wait_until(lambda: len(accepted(cluster)) > before, 30, "they are delivered")


def sessions(cluster):
    """What every node was given, and by which session: all of it stays when nothing happens."""
    return cluster.query("SELECT session_id, node FROM holdfast.session WHERE ended_at IS NULL"
                         " ORDER BY 1"), cluster.grants(), cluster.leader()


def nothing_happened(cluster, before):
    if sessions(cluster) != before:
        undisturbed(cluster)
    assert sessions(cluster) == before


def test_a_nodes_clock_jumps(make_cluster):
    cluster = make_cluster(nodes=2, partitions=6, node_arguments=["--ttl-ms", int(TTL * 1000)])
    wall = clock.Clock(cluster.run.path / "data" / "false-clock")
    cluster.add_node("jumpy", environment=wall.environment(place.program("holdfast")),
                     arguments=["--log-level", "debug"])
    cluster.wait_balanced()
    steady(cluster)
    before = sessions(cluster)
    # Less than the hub's tokens live: those carry a time by which the hub judges them.
    for jump in (HOUR // 2, -HOUR // 2, 0):
        wall.jump(jump)
        outlive(cluster, 1.25 * TTL)
        # Makes the nodes say something.
        cluster.query("SELECT holdfast.set_fleet(name => 'demo', destination => 'thingworx',"
                      " device_pattern => %s)", (f"^device-|{jump}",), user="admin")
        outlive(cluster, 1)


    def told():
        return re.findall(r"^time=(\S+)", cluster.nodes["jumpy"].log.read_text(), re.M)

    wait_until(lambda: sorted(told()) != told(), 30, "the node lives by the false clock")
    nothing_happened(cluster, before)
    settle(cluster, duplicates=0)
    end(cluster)


@pytest.fixture
def timed(request, run, make_postgres):
    """(server, its clock)"""
    wall = clock.Clock(run.server_folder(f"clock-of-{request.node.name}") / "offset")
    program = place.postgres_program("postgres")
    return make_postgres(environment=wall.environment(program)), wall


def overlapping_terms(cluster):
    return cluster.query("SELECT a.token, b.token AS later FROM holdfast.term a JOIN holdfast.term b"
                         "  ON a.lease = b.lease AND a.token < b.token"
                         " WHERE a.during && b.during OR lower(a.during) > lower(b.during)")


def take_over_the_leader(cluster, what):
    """Kills the leader; the term closes and another opens. Gives the duplicates that may cost."""
    leader = cluster.leader()
    orphans = cluster.partitions_of(leader)
    terms = len(cluster.query("SELECT 1 FROM holdfast.term"))
    saved = cluster.checkpoints()
    killed_at = time.time()
    cluster.nodes[leader].kill()
    duplicates = unsaved(cluster, saved, orphans)
    wait_until(lambda: cluster.leader() not in (None, leader)
               and len(cluster.owners()) == cluster.hub.partitions
               and leader not in cluster.owners().values(), 30, "others have taken over")
    print(f"{what}: others have taken over {time.time() - killed_at:.2f} s after the leader was"
          " killed")
    if len(cluster.query("SELECT 1 FROM holdfast.term")) != terms + 1:
        undisturbed(cluster)
    assert len(cluster.query("SELECT 1 FROM holdfast.term")) == terms + 1
    return duplicates


@pytest.mark.parametrize("jump", [-HOUR, 1])
def test_the_databases_clock_steps(make_cluster, timed, jump):
    """Back by any step, or ahead by less than what is left of a lease: nothing happens."""
    server, wall = timed
    cluster = make_cluster(nodes=3, partitions=6, own_postgres=server,
                           node_arguments=["--ttl-ms", int(TTL * 1000)])
    steady(cluster)
    before = sessions(cluster)
    wall.jump(jump)
    outlive(cluster, 2 * TTL)
    nothing_happened(cluster, before)
    duplicates = take_over_the_leader(cluster, f"clock {jump:+d} s")
    assert overlapping_terms(cluster) == []
    settle(cluster, duplicates=duplicates)
    end(cluster)


def test_the_databases_clock_jumps_far_ahead(make_cluster, timed):
    """PostgreSQL's own time-outs count by its wall clock: it takes every lease for silent. The
    nodes join again at once; what that costs is what a forced take-over costs."""
    server, wall = timed
    cluster = make_cluster(nodes=3, partitions=6, own_postgres=server,
                           node_arguments=["--ttl-ms", int(TTL * 1000)])
    steady(cluster)
    before = cluster.grants()
    wall.jump(HOUR)
    outlive(cluster, 1.5 * TTL)
    told = cluster.query("SELECT extract(epoch FROM clock_timestamp()) AS now")[0].now
    assert abs(float(told) - time.time() - HOUR) < 60, "the server lives by the false clock"
    cluster.wait_balanced()
    moved = sum(before[p][1] != grant[1] for p, grant in cluster.grants().items())
    print(f"clock {HOUR:+d} s: {moved} of 6 grants are new")
    duplicates = died_with(RATE, 6, 6) + take_over_the_leader(cluster, f"clock {HOUR:+d} s")
    assert overlapping_terms(cluster) == []
    settle(cluster, duplicates=duplicates)
    end(cluster)


def test_a_node_falls_silent_as_the_databases_clock_steps_back(make_cluster, timed):
    """PostgreSQL counts idle_session_timeout by its wall clock: after a step back it would wait
    for as long again. The leader sees that the lease's backend has stopped hearing anything."""
    server, wall = timed
    cluster = make_cluster(nodes=3, partitions=6, own_postgres=server,
                           node_arguments=["--ttl-ms", int(TTL * 1000)])
    steady(cluster)
    victim = next(name for name in cluster.nodes if name != cluster.leader())
    orphans = cluster.partitions_of(victim)
    node = cluster.nodes[victim]
    saved = cluster.checkpoints()
    stopped_at = time.time()
    node.signal(signal.SIGSTOP)
    try:
        wall.jump(-HOUR)
        duplicates = unsaved(cluster, saved, orphans)
        wait_until(lambda: len(cluster.owners()) == 6 and victim not in cluster.owners().values(),
                   60, "others have taken over")
    finally:
        node.signal(signal.SIGCONT)
    print(f"silent while the clock stepped back: taken over after {time.time() - stopped_at:.2f} s"
          f" with a TTL of {TTL} s")
    cluster.wait_balanced()
    assert overlapping_terms(cluster) == []
    settle(cluster, duplicates=duplicates)
    end(cluster)
