"""Faults of PostgreSQL."""

import contextlib
import os
import signal

import psycopg2

from chaos.faults_process import after
from chaos.schedule import Kind

TABLES = ("session", "partition", "checkpoint", "ownership", "lease", "term", "cluster", "node",
          "binding", "dead_letter", "event_log", "hub", "node_report", "partition_head")
CONNECTIONS = ("lease_pid", "watch_pid", "work_pid")


def restart(world, _fault):
    """The fast shutdown: sessions are ended, everything is on disk."""
    world.postgres.stop()
    world.postgres.start()
    yield after(0)


def crash(world, fault):
    """The immediate one, as after a power cut: recovery when it starts again."""
    world.crashed()
    world.postgres.kill()
    yield after(fault.seconds)
    world.postgres.start()


def away(world, fault):
    world.postgres.stop()
    yield after(fault.seconds)
    world.postgres.start()


def fail_over(world, fault):
    """The primary dies for good, and its synchronous standby is promoted. What commits without
    waiting, checkpoints, may be lost with it: of the last moments, if the standby follows."""
    give_up = after(20)
    yield lambda: world.postgres.in_step() or give_up()
    world.crashed()
    world.postgres.kill()
    yield after(fault.seconds)
    world.postgres.promote()
    world.cluster.look_away()


def backend_killed(world, fault):
    """kill -9 of one backend: the server resets all sessions and recovers, without a restart."""
    pids = [pid for session in _sessions(world) for pid in session[1:]]
    if pids:
        world.crashed()
        pid = pids[fault.choice["pick"] % len(pids)]
        world.note(fault, f"backend {pid}")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    yield after(fault.seconds)


def terminated(world, fault):
    """An administrator ends connections of a node."""
    for node, *pids in _sessions(world):
        if node == fault.target:
            for which in fault.choice["which"]:
                world.ask("SELECT pg_terminate_backend(%s)", (pids[which],))
    yield after(fault.seconds)


def table_locked(world, fault):
    """A long migration, or somebody's LOCK TABLE."""
    with _hold(world) as connection:
        if connection is not None:
            with connection.cursor() as cursor, contextlib.suppress(psycopg2.errors.LockNotAvailable,
                                                                    psycopg2.errors.DeadlockDetected):
                cursor.execute("SET LOCAL lock_timeout = '2s'")
                cursor.execute(f"LOCK TABLE holdfast.{fault.choice['table']}"
                               " IN ACCESS EXCLUSIVE MODE")
            yield after(fault.seconds)


def cluster_row_held(world, fault):
    """A transaction that holds the row which every change of membership takes first."""
    with _hold(world) as connection:
        if connection is not None:
            with connection.cursor() as cursor, contextlib.suppress(psycopg2.errors.LockNotAvailable):
                cursor.execute("SET LOCAL lock_timeout = '2s'")
                cursor.execute("SELECT 1 FROM holdfast.cluster FOR UPDATE")
            yield after(fault.seconds)


def no_slots(world, fault):
    """Somebody uses up all connections that are left to users."""
    taken = []
    try:
        with contextlib.suppress(psycopg2.OperationalError):
            while len(taken) < 200:
                taken.append(world.postgres.connect("reader"))
        world.note(fault, f"{len(taken)} connections taken")
        yield after(fault.seconds)
    finally:
        for connection in taken:
            connection.close()


@contextlib.contextmanager
def _hold(world):
    """A connection in a transaction that is rolled back in the end; None if there is no database."""
    try:
        connection = world.postgres.connect()
    except psycopg2.OperationalError:
        yield None
        return
    connection.autocommit = False
    try:
        yield connection
    finally:
        with contextlib.suppress(psycopg2.Error):
            connection.rollback()
        connection.close()


def _sessions(world):
    return [tuple(row) for row in world.ask(
        f"SELECT node, {', '.join(CONNECTIONS)} FROM holdfast.session WHERE ended_at IS NULL"
        " ORDER BY node")]


def _which(chance):
    return {"which": sorted(chance.sample(range(3), chance.randint(1, 3)))}


def _pick(chance):
    return {"pick": chance.randrange(1000)}


def _table(chance):
    return {"table": chance.choice(TABLES)}


CLAIMS = ("database",)
FAIL_OVER = "database fails over"  # once in a run: there is one standby

KINDS = [
    Kind("database restarted", restart, 2, (0.0, 0.0), "database", CLAIMS, holds=True, overhead=3),
    Kind("database crashed", crash, 2, (0.0, 2.0), "database", CLAIMS, holds=True, overhead=3),
    Kind("database away", away, 2, (2.0, 12.0), "database", CLAIMS, holds=True, overhead=3),
    Kind(FAIL_OVER, fail_over, 2, (0.0, 8.0), "database", CLAIMS, holds=True, overhead=4,
         once=True),
    Kind("backend killed -9", backend_killed, 2, (0.5, 1.0), "database", CLAIMS, holds=True,
         overhead=2, choose=_pick),
    Kind("connections terminated", terminated, 3, (0.2, 1.0), "node", ("node",), CLAIMS,
         repeats="node", holds=True, choose=_which),
    Kind("table locked", table_locked, 3, (1.0, 8.0), "database", CLAIMS, holds=True, overhead=3,
         choose=_table),
    Kind("cluster row held", cluster_row_held, 2, (0.5, 4.0), "database", CLAIMS, holds=True,
         overhead=2),
    Kind("no connection slots", no_slots, 1, (2.0, 6.0), "database", CLAIMS, holds=True),
]
