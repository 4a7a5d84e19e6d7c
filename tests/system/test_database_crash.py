"""The database crashes, recovers slowly, throws nodes out and has no room for them."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time

import psycopg2
import pytest

from harness import place
from harness.waiting import wait_until
from database_kit import (NODE_ARGUMENTS, TTL, backend, children, fill_slots, flow_on, gone, in_doubt,
                          keep_for_long, logged, moved_since, now_of, owned_as, same, saved, seize,
                          sessions, steady)
from proof import end, settle, unsaved

# Connections for others than superusers, and for these: the nine that the nodes ask for in vain have one
# each for a moment.
SLOTS, RESERVED = 19, 15


def start(make_cluster, postgres, nodes=3):
    cluster = make_cluster(nodes=nodes, own_postgres=postgres, node_arguments=NODE_ARGUMENTS)
    steady(cluster)
    keep_for_long(cluster)
    return cluster, cluster.grants(), now_of(cluster)


def back_as_before(cluster, grants, since):
    owned_as(cluster, grants)
    settle(cluster, duplicates=0)
    same(cluster, moved_since(cluster, since), [])
    end(cluster)


def test_a_killed_backend_and_a_recovery_longer_than_the_ttl(make_cluster, make_postgres):
    """kill -9 of one backend resets all sessions; recovery then takes longer than any lease lives."""
    postgres = make_postgres()
    cluster, grants, since = start(make_cluster, postgres)
    # So much to recover that recovery can be caught at it.
    cluster.query("CHECKPOINT")
    cluster.query("CREATE TABLE public.ballast AS SELECT n, repeat('x', 100) AS t"
                  " FROM generate_series(1, 300000) n")
    victim = backend(cluster, "node-1", "work")
    caught = {}
    hunter = threading.Thread(target=lambda: caught.update(
        pid=seize(postgres.child.pid, signal.SIGSTOP, "startup")))
    hunter.start()
    os.kill(victim, signal.SIGKILL)
    hunter.join()
    try:
        in_doubt(cluster)
        flow_on(cluster, 1.5 * TTL)
        wait_until(lambda: all(logged(node, "recover") for node in cluster.nodes.values()), 60,
                   "every node says what the database does")
    finally:
        os.kill(caught["pid"], signal.SIGCONT)
    wait_until(postgres._answers, 60, "the server has recovered")
    back_as_before(cluster, grants, since)


def test_a_killed_postmaster_that_comes_back_late(make_cluster, make_postgres):
    postgres = make_postgres()
    cluster, grants, since = start(make_cluster, postgres)
    orphans = children(postgres.child.pid)
    postgres.child.kill()
    gone(orphans)
    in_doubt(cluster)
    flow_on(cluster, 1.5 * TTL)
    postgres.start()
    back_as_before(cluster, grants, since)


def test_terminated_backends(make_cluster):
    """Each of the three connections: the node joins again, and what another node took meanwhile comes
    back by a planned move."""
    cluster = make_cluster(node_arguments=NODE_ARGUMENTS)
    steady(cluster)
    most = 0
    for line in ("lease", "watch", "work"):
        orphans, before = cluster.partitions_of("node-1"), saved(cluster)
        session = sessions(cluster)["node-1"]
        cluster.query("SELECT pg_terminate_backend(%s)", (backend(cluster, "node-1", line),))
        wait_until(lambda last=session: sessions(cluster).get("node-1", 0) > last, 60,
                   "node-1 has joined again")
        most += unsaved(cluster, before, orphans)
        cluster.wait_balanced()
    flow_on(cluster, 0.5)
    settle(cluster, duplicates=most)
    end(cluster)


def test_no_connection_slot_is_left(make_cluster, make_postgres):
    """Every node is thrown out and finds the server full: telemetry goes on, the nodes say why and
    try again with back-off, and come back when there is room."""
    postgres = make_postgres({"max_connections": SLOTS + RESERVED, "superuser_reserved_connections": RESERVED,
                              "autovacuum": "off"})
    cluster, _grants, _since = start(make_cluster, postgres)
    before = saved(cluster)
    # Nobody may sweep, and nobody may come back, before the last slot is taken.
    blocker = postgres.connect("postgres", cluster.database)
    blocker.autocommit = False
    blocker.cursor().execute("SELECT FROM holdfast.cluster FOR UPDATE")
    cluster.query("ALTER ROLE node CONNECTION LIMIT 0")
    nodes = "FROM pg_stat_activity WHERE usename = 'node'"
    wait_until(lambda: not cluster.query(f"SELECT pg_terminate_backend(pid) {nodes}"), 60,
               "the nodes are thrown out")
    full = time.monotonic()
    taken = fill_slots(postgres, cluster.database, SLOTS)
    cluster.query("ALTER ROLE node CONNECTION LIMIT -1")
    blocker.rollback()
    in_doubt(cluster)
    flow_on(cluster, TTL)
    for node in cluster.nodes.values():
        wait_until(lambda each=node: logged(each, "connections are used up"), 60, "it says why")
        tries = logged(node, "the database cannot be reached")
        assert 1 <= tries <= 40 + 5 * (time.monotonic() - full), "it tries again, with back-off"
    taken.append(blocker)
    for connection in taken:
        connection.close()
    cluster.wait_balanced(60)
    # No life of the server began, so nothing was reserved: whoever comes first takes over what the
    # others had, from the last checkpoint.
    settle(cluster, duplicates=unsaved(cluster, before))
    end(cluster)


@pytest.fixture
def small_disk(run, request):
    """A folder of 24 MiB."""
    folder = run.server_folder(f"{request.node.name}-disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder],
                             capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")
    if place.server_user():
        shutil.chown(folder, place.server_user(), place.server_user())
    yield folder
    subprocess.run(["umount", "-l", folder], check=False)


def fill(folder):
    """Takes all the room that is left; gives the file."""
    ballast = folder / "ballast"
    for size in (65536, 512):
        with open(ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(size))
    return ballast


def ran_out(postgres):
    """Makes WAL; says whether the server has stopped for want of room."""
    with contextlib.suppress(psycopg2.Error):
        postgres.query("CREATE TABLE IF NOT EXISTS public.ballast AS SELECT 1 AS n",
                       database="postgres")
        postgres.query("INSERT INTO public.ballast SELECT generate_series(1, 5000)",
                       database="postgres")
    return "No space left on device" in postgres.run.log("postgres").read_text(errors="replace")


def test_a_full_disk(make_cluster, make_postgres, small_disk):
    """No room for WAL: PostgreSQL stops in a panic and cannot start again before somebody makes room.
    To the nodes it is an outage, and a crash that may forget the last checkpoints."""
    postgres = make_postgres({"min_wal_size": "2MB", "max_wal_size": "8MB", "wal_recycle": "off"},
                             initdb=("--wal-segsize=1", f"--waldir={small_disk / 'wal'}"))
    cluster, grants, since = start(make_cluster, postgres)
    ballast = fill(small_disk)
    wait_until(lambda: ran_out(postgres), 60, "the disk is full")
    in_doubt(cluster)
    flow_on(cluster, TTL)
    if postgres.child.alive:
        postgres.kill()
    ballast.unlink()
    postgres.start()
    back_as_before(cluster, grants, since)


def test_a_crash_forgets_no_dead_letter(make_cluster, make_postgres):
    """Nobody flushes what has not to be on disk (the WAL writer stands still); the node comes back
    under the same tokens, and goes on behind the event."""
    postgres = make_postgres()
    cluster, grants, since = start(make_cluster, postgres)
    cluster.thingworx.ask("/things", {"names": ["poisoned"], "permissive": False,
                                      "properties": {"seq": "LONG", "p1": "NUMBER"}})
    writer = seize(postgres.child.pid, signal.SIGSTOP, "walwriter")
    try:
        cluster.hub.send("poisoned", body={"seq": 1, "p1": "no number"})
        wait_until(cluster.dead_letters, 60, "the poison value is a dead letter")
        orphans = children(postgres.child.pid)
        postgres.child.kill()
    finally:
        os.kill(writer, signal.SIGKILL)
    gone(orphans)
    in_doubt(cluster)
    postgres.start()
    owned_as(cluster, grants)
    settle(cluster, duplicates=0, dead_letters=1)
    same(cluster, moved_since(cluster, since), [])
    end(cluster)
