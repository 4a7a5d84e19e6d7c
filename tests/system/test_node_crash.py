"""Nodes that die or freeze in the middle of what they were saying to the database."""

import contextlib
import shutil
import signal
import time

from harness import place
from harness.node import Node
from harness.tcp_proxy import SYNC, UP, Proxy
from harness.waiting import wait_until
from proof import end, settle, undisturbed, unsaved

RATE = 400
TTL = 4.0
ARGUMENTS = ["--ttl-ms", int(TTL * 1000)]
# Where nothing waits for the end of a lease: a machine that is busy does not end one either.
LONG_LEASE = ["--ttl-ms", 20_000]
GATE = 4711
VICTIM = "victim"


def steady(cluster):
    cluster.hub.generate(rate=RATE)
    wait_until(lambda: len(cluster.checkpoints()) == cluster.hub.partitions, 30,
               "every partition has a checkpoint")


class Gate:
    """Makes the victim's calls of one function wait for a lock that the test holds."""

    def __init__(self, cluster, function):
        self.cluster = cluster
        self.function = function
        self.connection = cluster.postgres.connect(database=cluster.database)

    def __enter__(self):
        (row,) = self.cluster.query(
            "SELECT pg_get_functiondef(p.oid) AS text FROM pg_proc p"
            " WHERE p.pronamespace = 'holdfast'::regnamespace AND p.proname = %s",
            (self.function,))
        self.original = row.text
        assert row.text.count("\nBEGIN\n") == 1
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        self.cluster.query(row.text.replace(
            "\nBEGIN\n", f"\nBEGIN\n IF current_setting('application_name') LIKE"
            f" 'holdfast {VICTIM} %' THEN PERFORM pg_advisory_xact_lock_shared({GATE}); END IF;\n"))
        return self

    def __exit__(self, *_why):
        self.cluster.query(self.original)
        self.connection.close()

    def waiting(self):
        """The backend that stands before the gate, or None."""
        found = self.cluster.query(
            "SELECT a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE l.locktype = 'advisory' AND NOT l.granted AND l.objsubid = 1 AND l.objid = %s"
            "   AND a.application_name LIKE %s", (GATE, f"holdfast {VICTIM} %"))
        return found[0].pid if found else None


def others_own_all(cluster):
    owners = cluster.owners()
    return len(owners) == cluster.hub.partitions and VICTIM not in owners.values()


def die_at(cluster, function, provoke):
    """The victim is killed while a call of it is under way. Gives the duplicates it may cost."""
    victim = cluster.nodes[VICTIM]
    with Gate(cluster, function) as gate:
        provoke()
        backend = wait_until(gate.waiting, 30, f"the victim waits in {function}()")
        saved = cluster.checkpoints()
        victim.kill()
        # Of all partitions: what it had given back, or gets, may be on the move.
        duplicates = unsaved(cluster, saved)
        cluster.thingworx.clear_faults()
        killed_at = time.time()
        # The gate stays closed: nobody waits for what the dead node had begun.
        wait_until(lambda: others_own_all(cluster), 20,
                   lambda: f"others own all after a death in {function}(): {cluster.owners()}")
        print(f"killed in {function}(): others own all after {time.time() - killed_at:.2f} s")
        wait_until(lambda: not cluster.query("SELECT 1 FROM pg_stat_activity WHERE pid = %s",
                                             (backend,)), 20,
                   f"the backend that was in {function}() is gone")
    emitted = cluster.hub.state()["emitted"]
    wait_until(lambda: cluster.hub.state()["emitted"] > emitted + RATE // 4, 30, "events flow on")
    return duplicates


def touch(cluster):
    cluster.query("UPDATE holdfast.session SET assignment_version = assignment_version + 1"
                  " WHERE node = %s AND ended_at IS NULL", (VICTIM,))


def test_death_in_the_middle_of_a_call(make_cluster):
    cluster = make_cluster(nodes=2, partitions=6, node_arguments=LONG_LEASE)
    cluster.add_node(VICTIM)
    cluster.wait_balanced()
    steady(cluster)
    # What was called off may be planned again at once, and who dies often is not made to wait.
    for name, value in (("decline_pass_over_ms", "100"), ("flap_hold_ms", "0")):
        cluster.query("SELECT holdfast.set_setting(%s, %s)", (name, value), user="admin")
    duplicates = 0
    broken = []  # what ends among the dead letters
    victim = cluster.nodes[VICTIM]
    for function, provoke in (
            ("save_checkpoints", lambda: None),
            ("poll", lambda: None),
            ("assignment", lambda: touch(cluster)),
            # Another rule: every device is looked up anew.
            ("resolve", lambda: cluster.query(
                "SELECT holdfast.set_fleet(name => 'demo', destination => 'thingworx',"
                " device_pattern => '^device-')", user="admin")),
            ("file_dead_letters", lambda: broken.extend(
                cluster.hub.send("device-00001", raw="{", partition=int(p))
                for p in cluster.partitions_of(VICTIM))),
            ("release", lambda: cluster.query("SELECT holdfast.drain_node(%s)", (VICTIM,),
                                              user="admin")),
            # Draining does not end before the deadline of the move.
            ("keep", lambda: [
                cluster.query("SELECT holdfast.set_setting('move_deadline_ms', '300')",
                              user="admin"),
                cluster.hold(cluster.partitions_of(VICTIM)[0]),
                cluster.query("SELECT holdfast.drain_node(%s)", (VICTIM,), user="admin")]),
            ("leave", lambda: victim.signal(signal.SIGTERM))):
        duplicates += die_at(cluster, function, provoke)
        cluster.query("SELECT holdfast.undrain_node(%s)", (VICTIM,), user="admin")
        cluster.query("SELECT holdfast.set_setting('move_deadline_ms', '10000')", user="admin")
        victim.start()
        cluster.wait_balanced()
    assert broken
    settle(cluster, duplicates=duplicates, dead_letters=len(broken))
    end(cluster)


def test_death_of_the_leader_in_the_middle_of_its_duties(make_cluster):
    cluster = make_cluster(nodes=0, partitions=6, node_arguments=LONG_LEASE, started=False)
    cluster.prepare()
    cluster.configure()
    victim = cluster.add_node(VICTIM)
    for name in ("other-1", "other-2"):
        cluster.add_node(name)
    cluster.wait_balanced()
    steady(cluster)
    assert cluster.leader() == VICTIM
    duplicates = die_at(cluster, "tend", lambda: None)
    assert cluster.leader() not in (None, VICTIM)
    victim.start()
    cluster.wait_balanced()
    # In a sweep: of the two others one is watched by the victim.
    gone = cluster.query("SELECT node FROM holdfast.session WHERE ended_at IS NULL"
                         "   AND session_id < (SELECT session_id FROM holdfast.session"
                         "                      WHERE node = %s AND ended_at IS NULL)"
                         " ORDER BY session_id DESC LIMIT 1", (VICTIM,))[0].node
    def kill():
        nonlocal duplicates
        saved = cluster.checkpoints()
        cluster.nodes[gone].kill()
        duplicates += unsaved(cluster, saved)

    more = die_at(cluster, "sweep_dead", kill)
    cluster.nodes[gone].start()
    victim.start()
    cluster.wait_balanced()
    settle(cluster, duplicates=duplicates + more)
    end(cluster)


def test_death_in_the_middle_of_joining(make_cluster):
    """It holds the lock on cluster, and the lock of its new session, and is gone."""
    cluster = make_cluster(nodes=2, partitions=6, node_arguments=ARGUMENTS)
    steady(cluster)
    grants = cluster.grants()
    with Gate(cluster, "open_terms") as gate:
        victim = cluster.add_node(VICTIM, wait=False)
        wait_until(gate.waiting, 30, "the victim stands in join()")
        victim.kill()
        emitted = cluster.hub.state()["emitted"]
        wait_until(lambda: cluster.hub.state()["emitted"] > emitted + RATE, 30, "events flow on")
        wait_until(lambda: gate.waiting() is None, 60, "its backend is gone")
    if cluster.grants() != grants:
        undisturbed(cluster)
    assert cluster.grants() == grants
    assert cluster.query("SELECT node FROM holdfast.session WHERE node = %s", (VICTIM,)) == []
    victim.start()
    cluster.wait_balanced()
    settle(cluster, duplicates=0)
    end(cluster)


def test_a_hub_out_of_reach_of_one_node(make_cluster):
    """The node gives its partitions back, and others take them over; so too if it dies over it."""
    cluster = make_cluster(nodes=2, partitions=6, node_arguments=LONG_LEASE)
    cluster.query("SELECT holdfast.set_setting('decline_pass_over_ms', '5000')", user="admin")
    proxy = Proxy(cluster.hub.ports["amqp_port"])
    secrets = cluster.run.path / "victims-secrets"
    shutil.copytree(cluster.run.path / "secrets", secrets)
    (secrets / "demo-hub").write_text(cluster.hub.connection_string.replace(
        f":{cluster.hub.ports['amqp_port']};", f":{proxy.port};"))
    assert str(proxy.port) in (secrets / "demo-hub").read_text()
    try:
        cluster.add_node(VICTIM, secrets=secrets)
        cluster.wait_balanced()
        steady(cluster)
        proxy.refuse()
        proxy.drop()
        wait_until(lambda: others_own_all(cluster), 60, "the victim has declined")
        assert cluster.nodes[VICTIM].ready(), "its lease has nothing to do with it"
        proxy.refuse(False)
        wait_until(lambda: cluster.partitions_of(VICTIM), 60, "it is given partitions again")
        cluster.wait_balanced()

        def cut():
            proxy.refuse()
            proxy.drop()

        duplicates = die_at(cluster, "decline", cut)
        settle(cluster, duplicates=duplicates)
        end(cluster)
    finally:
        proxy.close()


def test_a_second_process_of_the_same_name(make_cluster):
    """It is refused for as long as the first lives, says why, and takes its place afterwards."""
    cluster = make_cluster(nodes=2, partitions=6, node_arguments=ARGUMENTS)
    steady(cluster)
    grants = cluster.grants()
    first = cluster.nodes["node-1"]
    orphans = cluster.partitions_of("node-1")
    twin = Node(place.Part(cluster.run, "twin"), "node-1", first.dsn, ARGUMENTS,
                secrets=cluster.run.path / "secrets").start(wait=False)
    try:
        twin.wait_listening()
        wait_until(lambda: twin.log.read_text().count("refused to let this node join") >= 2, 60,
                   "the twin is refused, and tries again")
        assert "hint=" in twin.log.read_text() and not twin.ready()
        if cluster.grants() != grants:
            undisturbed(cluster)
        assert cluster.grants() == grants
        saved = cluster.checkpoints()
        first.kill()
        duplicates = unsaved(cluster, saved, orphans)
        wait_until(twin.ready, 30, "the twin has taken the place")
        cluster.nodes["node-1"] = twin
        cluster.wait_balanced()
        settle(cluster, duplicates=duplicates)
        end(cluster)
    finally:
        if twin.alive:
            twin.kill()


@contextlib.contextmanager
def victim_behind_a_proxy(cluster, **options):
    proxy = Proxy(cluster.postgres.port)
    try:
        cluster.add_node(VICTIM, database_port=proxy.port, **options)
        cluster.wait_balanced()
        steady(cluster)
        yield proxy
        cluster.stop()
    finally:
        proxy.close()


def test_frozen_in_the_middle_of_a_message(make_cluster):
    """No time-out of PostgreSQL runs between the messages of a half-sent request: its backend keeps
    its row locks for as long as the client is frozen. The sweep ends it."""
    cluster = make_cluster(nodes=2, partitions=6, node_arguments=ARGUMENTS)
    with victim_behind_a_proxy(cluster) as proxy:
        orphans = cluster.partitions_of(VICTIM)
        (work,) = proxy.stall_before(SYNC, after=b"holdfast.save_checkpoints", direction=UP,
                                     match=f"holdfast {VICTIM} work")
        assert work.sprung.wait(20), "half of a request is sent"
        victim = cluster.nodes[VICTIM]
        saved = cluster.checkpoints()
        victim.signal(signal.SIGSTOP)
        try:
            duplicates = unsaved(cluster, saved, orphans)
            backend = wait_until(
                lambda: cluster.watch("SELECT pid FROM pg_stat_activity WHERE application_name = %s"
                                      " AND state = 'active' AND wait_event = 'ClientRead'",
                                      (f"holdfast {VICTIM} work",)), TTL,
                "its backend waits for the other half")[0].pid
            stopped_at = time.time()
            wait_until(lambda: others_own_all(cluster), 60, "others own all")
            taken_at = time.time()
            before = cluster.checkpoints()
            wait_until(lambda: all(cluster.checkpoints()[p] > before[p] for p in orphans), 60,
                       "their checkpoints move: nobody waits for the row locks")
            print(f"frozen in a half-sent request: others own all after"
                  f" {taken_at - stopped_at:.2f} s, and save")
            wait_until(lambda: not cluster.query("SELECT 1 FROM pg_stat_activity WHERE pid = %s",
                                                 (backend,)), 20, "the sweep has ended its backend")
        finally:
            victim.signal(signal.SIGCONT)
        proxy.heal()
        cluster.wait_balanced()
        settle(cluster, duplicates=duplicates)
        end(cluster)


def test_frozen_for_less_than_its_lease(make_cluster):
    """It drops what it had not sent, asks, and goes on under the same grants."""
    cluster = make_cluster(nodes=2, partitions=6, node_arguments=["--ttl-ms", 15_000])
    cluster.add_node(VICTIM)
    cluster.wait_balanced()
    steady(cluster)
    grants = cluster.grants()
    own = cluster.partitions_of(VICTIM)
    victim = cluster.nodes[VICTIM]
    saved = cluster.checkpoints()
    victim.signal(signal.SIGSTOP)
    # What it had on the wire, or had not saved.
    duplicates = unsaved(cluster, saved, own)
    emitted = cluster.hub.state()["emitted"]
    try:
        # Longer than the margin of a fifth, far shorter than the lease.
        wait_until(lambda: cluster.hub.state()["emitted"] > emitted + 4 * RATE, 30,
                   "events are sent meanwhile")
    finally:
        victim.signal(signal.SIGCONT)
    wait_until(lambda: victim.metric("holdfast_wakeups_total") >= 1, 20, "it has noticed")
    wait_until(victim.ready, 20, "it trusts its lease again")
    settle(cluster, duplicates=duplicates)
    if cluster.grants() != grants:
        undisturbed(cluster)
    assert cluster.grants() == grants
    end(cluster)


def test_trust_counts_from_when_a_ping_was_sent(make_cluster):
    """Only the answers on the lease connection are slow. The server hears every ping, so it keeps
    the session; the node must not: an answer tells of the moment at which it was asked for."""
    ttl = 6.0
    cluster = make_cluster(nodes=0, partitions=6, started=False,
                           node_arguments=["--ttl-ms", int(ttl * 1000)])
    cluster.prepare()
    cluster.configure()
    lease = f"holdfast {VICTIM} lease"
    with victim_behind_a_proxy(cluster) as proxy:
        victim = cluster.nodes[VICTIM]
        assert cluster.leader() == VICTIM
        live = "SELECT session_id FROM holdfast.session WHERE ended_at IS NULL"
        sessions = cluster.query(live)
        # Slow, but in time: nothing happens.
        proxy.slow(ttl / 6, "down", match=lease)
        emitted = cluster.hub.state()["emitted"]
        wait_until(lambda: cluster.hub.state()["emitted"] > emitted + ttl * RATE, 60,
                   "pings are answered late")
        if not victim.ready() or cluster.query(live) != sessions:
            undisturbed(cluster)
        assert victim.ready() and cluster.query(live) == sessions
        # An answer that is later than two thirds of the lease leaves less trust than the next one
        # takes; counted from its arrival trust would last for ever.
        proxy.slow(0.7 * ttl, "down", match=lease)
        proxy.refuse()  # or it would join again before we have looked
        wait_until(lambda: not victim.ready(), 4 * ttl, "it trusts its lease no more", every=0.005)
        assert cluster.query(live) == sessions, "the database holds that it lives"
        proxy.heal()
        wait_until(victim.ready, 30, "it has joined again")
        settle(cluster, duplicates=0)
        end(cluster)
