"""Many live sessions on one PostgreSQL: what they cost at rest, and what happens when half of them
die at once.

Three connections each, held by two processes of tests/bench/drivers/session_driver.c: the node's own
membership code, so the same statements at the same times as nodes send them, but none of the memory
and the work of a data plane (300 whole nodes would measure this machine, not the database).
"""

import os
import signal
import time

from bench import report
from bench.recorder import Recorder
from harness import place
from harness.process import Child
from harness.waiting import wait_until

HUBS = 10
TTL_MS = 5000
START_MS = 20000  # three connections cost 50 ms of CPU; all at once would measure that
_TICKS = os.sysconf("SC_CLK_TCK")
PROCESSES = ("a", "b")
QUIET_WAL = 2000  # bytes a second


def configure(postgres, name):
    """A database with the schema, and hubs without partitions."""
    postgres.create_database(name)
    postgres.migrate(name)
    for text in (
            "SELECT holdfast.set_destination('thingworx', ARRAY['http://127.0.0.1:1/Thingworx'],"
            " 'key')",
            "SELECT holdfast.set_fleet('demo', 'thingworx')",
            f"SELECT holdfast.set_hub('h' || i, 'demo', 'secret' || i, 'holdfast')"
            f"  FROM generate_series(1, {HUBS}) i"):
        postgres.query(text, user="admin", database=name)


def processes_of(postmaster):
    """All server processes, by pid."""
    found = [postmaster]
    for task in os.listdir(f"/proc/{postmaster}/task"):
        with open(f"/proc/{postmaster}/task/{task}/children", encoding="ascii") as file:
            found += map(int, file.read().split())
    return found


def cpu_seconds(pid, children=False):
    """Of one process; with those of its children that have ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15 if children else 13])) / _TICKS


def memory_mib(pids):
    """What they take of the machine, shared pages counted once."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / 1024


class Sessions:
    """Two processes with half of the sessions each."""

    def __init__(self, run, postgres, database, count):
        self.run, self.postgres, self.database, self.count = run, postgres, database, count
        self.recorder = Recorder()
        self.children = {}

    def start(self):
        began = time.monotonic()
        driver = place.build_folder() / "tests/bench/drivers/session-driver"
        for name in PROCESSES:
            self.recorder.follow(name, self.run.log(name))
            self.children[name] = Child(
                name, [driver, name, self.count // 2, TTL_MS, START_MS], self.run.log(name),
                env={**os.environ, "HOLDFAST_SQL_DIR": str(place.ROOT),
                     "HOLDFAST_DATABASE": self.postgres.dsn("node", self.database)})
        self.run.note_children()
        for name in PROCESSES:
            self.expect(name, f"live {self.count // 2}", 120)
        return time.monotonic() - began

    def expect(self, name, text, timeout=60, since=0.0):
        line = self.recorder.wait(lambda who, what: (who, what) == (name, text), since, timeout)
        if line is None:
            last = self.recorder.last(lambda who, what: who == name)
            raise RuntimeError(f"sessions {name}: no '{text}' within {timeout} s, but {last}")
        return line[0]

    def register(self, partitions):
        """The hubs' partitions appear, and are given to the sessions; gives the seconds."""
        began = time.monotonic()
        self.query(f"""
            INSERT INTO holdfast.partition (hub, partition, generation)
            SELECT 'h' || h, p::text, 1
              FROM generate_series(1, {HUBS}) h, generate_series(1, {partitions // HUBS}) p;
            INSERT INTO holdfast.checkpoint (partition_id, generation)
            SELECT partition_id, 1 FROM holdfast.partition""")
        wait_until(lambda: sum(self.number("owned", name) for name in PROCESSES) == partitions, 60,
                   "the sessions know of all partitions")
        return time.monotonic() - began

    def number(self, what, name):
        """What a process said last of that."""
        line = self.recorder.last(lambda who, text: who == name and text.startswith(what + " "))
        return int(line[2].split()[1]) if line else 0

    def query(self, text):
        return self.postgres.query(text, database=self.database)


def rest(sessions, seconds):
    """What the server does while nothing happens."""
    pids = processes_of(sessions.postgres.child.pid)
    kinds = {row.pid: row.kind for row in sessions.query(
        "SELECT s.lease_pid AS pid, 'lease' AS kind FROM holdfast.session s WHERE ended_at IS NULL"
        " UNION ALL SELECT s.watch_pid, 'watch' FROM holdfast.session s WHERE ended_at IS NULL"
        " UNION ALL SELECT s.work_pid, 'work' FROM holdfast.session s WHERE ended_at IS NULL")}
    connection = sessions.postgres.connect(database=sessions.database)
    with connection.cursor() as cursor:
        def wal():
            cursor.execute("SELECT wal_bytes FROM pg_stat_wal")
            return int(cursor.fetchone()[0])

        before = {pid: cpu_seconds(pid, pid == pids[0]) for pid in pids}
        clients = sum(cpu_seconds(child.pid) for child in sessions.children.values())
        wal_before, began = wal(), time.monotonic()
        time.sleep(seconds)  # the time that is measured
        took = time.monotonic() - began
        wal_after = wal()
    connection.close()
    by_kind = {}
    for pid, was in before.items():
        kind = kinds.get(pid, "other")
        by_kind[kind] = by_kind.get(kind, 0) + cpu_seconds(pid, pid == pids[0]) - was
    clients = sum(cpu_seconds(child.pid) for child in sessions.children.values()) - clients
    return {"server_cpu_percent": round(100 * sum(by_kind.values()) / took, 1),
            "server_cpu_percent_by_connection": {
                kind: round(100 * spent / took, 1) for kind, spent in sorted(by_kind.items())},
            "client_cpu_percent": round(100 * clients / took, 1),
            "wal_bytes_per_second": round((wal_after - wal_before) / took)}


def half_dies(sessions, partitions):
    """SIGKILL for one of the two processes."""
    victim, heir = PROCESSES
    lost_before = sessions.number("lost", heir)
    connection = sessions.postgres.connect(database=sessions.database)
    with connection.cursor() as cursor:
        def settled():
            cursor.execute(
                "SELECT (SELECT count(*) FROM holdfast.session WHERE ended_at IS NULL),"
                " (SELECT count(*) FROM holdfast.partition p JOIN holdfast.session s"
                "    ON s.session_id = p.owner_session_id WHERE s.ended_at IS NULL)")
            return cursor.fetchone() == (sessions.count // 2, partitions)

        killed = time.monotonic()
        sessions.children[victim].signal(signal.SIGKILL)
        wait_until(settled, 60, "the sessions are swept and their partitions have new owners",
                   every=0.01)
        swept = time.monotonic() - killed
    connection.close()
    told = sessions.expect(heir, f"owned {partitions}", since=killed) - killed
    return {"swept_and_reassigned_ms": round(1000 * swept), "owners_told_ms": round(1000 * told),
            "survivors_that_lost_their_lease": sessions.number("lost", heir) - lost_before}


def vacuum_by_itself(postgres, on_or_off):
    postgres.query(f"ALTER SYSTEM SET autovacuum = {on_or_off}", database="postgres")
    postgres.query("SELECT pg_reload_conf()", database="postgres")


def wal_in_a_second(postgres):
    def written():
        return int(postgres.query("SELECT wal_bytes FROM pg_stat_wal", database="postgres")[0][0])

    before = written()
    time.sleep(1)  # the second that is measured
    return written() - before


def measure(run, postgres, options):
    count = options.sessions
    configure(postgres, "sessions")
    sessions = Sessions(run, postgres, "sessions", count)
    joined = sessions.start()
    report.say(f"{count} sessions have joined within {joined:.1f} s")
    given = sessions.register(options.partitions)
    report.say(f"{options.partitions} partitions were given to them within {given:.1f} s")
    # Autovacuum would go over what was just made, and its WAL is not that of pings and watches.
    vacuum_by_itself(postgres, "off")
    sessions.query("VACUUM ANALYZE")
    sessions.query("CHECKPOINT")
    wait_until(lambda: wal_in_a_second(postgres) < QUIET_WAL, 60,
               "the server writes no WAL of what was just made")
    result = {"sessions": count, "partitions": options.partitions, "join_seconds": round(joined, 1)}
    seconds = 10 if options.quick else 30
    result["pings_watches_polls"] = rest(sessions, seconds)
    for child in sessions.children.values():
        child.signal(signal.SIGUSR1)
    result["with_reports"] = rest(sessions, seconds)
    vacuum_by_itself(postgres, "on")
    result["server_memory_mib"] = round(memory_mib(processes_of(postgres.child.pid)))
    result["half_of_them_die"] = half_dies(sessions, options.partitions)
    for child in sessions.children.values():
        child.kill()
    return result
