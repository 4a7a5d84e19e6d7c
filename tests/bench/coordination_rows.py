"""Rows without sessions behind them: planning many partitions over many nodes, fenced checkpoints, and
bindings of a million devices."""

import json
import os
import random
import subprocess
import threading
import time
import uuid

from bench import report
from bench.coordination_sessions import HUBS, configure
from harness import place

SIZES = ((100, 10), (1000, 100), (3000, 300), (10000, 1000))
WRITERS = (1, 8, 32)
# What one node owns, and so the batch that it saves four times a second.
BATCH = 128
SAVES_AN_HOUR = 4 * 3600


def key(number):
    return str(uuid.UUID(int=number))


def open_incarnation(cursor):
    """So that rows of sessions are believed, which no connection stands behind."""
    cursor.execute("SELECT holdfast.open_incarnation('bench', 5000)")


def add_sessions(cursor, first, last):
    cursor.execute("""
        INSERT INTO holdfast.node (name, capacity)
        SELECT 'n' || i, 1 FROM generate_series(%(first)s, %(last)s) i;
        INSERT INTO holdfast.session
               (session_id, session_key, node, incarnation, protocol, version, ttl_ms, lease_pid,
                lease_start, watch_pid, watch_start, work_pid, work_start, joined_at)
        SELECT i, lpad(to_hex(i), 32, '0')::uuid, 'n' || i, holdfast.incarnation_current(), 1,
               'bench', 5000, 1, now(), 2, now(), 3, now(), now()
          FROM generate_series(%(first)s, %(last)s) i""", {"first": first, "last": last})


def add_partitions(cursor, count):
    cursor.execute("""
        INSERT INTO holdfast.partition (hub, partition, generation)
        SELECT 'h' || 1 + i %% %(hubs)s, i::text, 1 FROM generate_series(1, %(count)s) i;
        INSERT INTO holdfast.checkpoint (partition_id, generation)
        SELECT partition_id, 1 FROM holdfast.partition""", {"hubs": HUBS, "count": count})


def cpu_ms(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e6


def timed(cursor, statement):
    """(milliseconds, milliseconds of CPU of the server): the latter count on a busy machine."""
    pid = cursor.connection.get_backend_pid()
    cpu, began = cpu_ms(pid), time.monotonic()
    cursor.execute(statement)
    return 1000 * (time.monotonic() - began), cpu_ms(pid) - cpu


# --- planning -------------------------------------------------------------------------------------

def plan_once(cursor, nodes):
    """Milliseconds of the parts, one after the other, in the present transaction."""
    more = max(1, nodes // 10)
    cursor.execute("SELECT holdfast.lock_cluster()")
    found = {"plan": timed(cursor, "SELECT count(*) FROM holdfast.placement(false, true)"),
             "plan_and_grant_all": timed(cursor, "SELECT holdfast.place_free()")}
    add_sessions(cursor, nodes + 1, nodes + more)
    found["plan_moves_to_a_tenth_more"] = timed(
        cursor, "SELECT count(*) FROM holdfast.placement(true, true)")
    found["one_dies"] = timed(
        cursor, "SELECT holdfast.end_sessions(ARRAY[1], 'died'), holdfast.place_free()")
    found["half_of_them_die"] = timed(
        cursor, "SELECT holdfast.end_sessions((SELECT array_agg(i)"
                f" FROM generate_series(2, {nodes // 2 + 1}) i), 'died'), holdfast.place_free()")
    return found


def plan_size(postgres, partitions, nodes, runs):
    """One size in a database of its own. What is measured is undone, not what it is measured on: a
    row that its own transaction has made has its foreign keys checked with every update."""
    database = f"planning_{partitions}"
    configure(postgres, database)
    connection = postgres.connect(database=database)
    tries = []
    with connection.cursor() as cursor:
        open_incarnation(cursor)
        add_sessions(cursor, 1, nodes)
        add_partitions(cursor, partitions)
        for _ in range(runs):
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("BEGIN")
            tries.append(plan_once(cursor, nodes))
            cursor.execute("ROLLBACK")
    connection.close()
    # What else runs on the machine only adds: the best of all tries.
    return {part: {"ms": round(min(each[part][0] for each in tries), 1),
                   "cpu_ms": round(min(each[part][1] for each in tries), 1)} for part in tries[0]}


def plan(_run, postgres, options):
    found = {}
    for partitions, nodes in SIZES:
        took = plan_size(postgres, partitions, nodes, 2 if options.quick else 5)
        found[f"{partitions}x{nodes}"] = took
        report.say(f"{partitions} partitions over {nodes} nodes: " + ", ".join(
            f"{part} {each['ms']} ms ({each['cpu_ms']} of CPU)" for part, each in took.items()))
    return found


# --- checkpoints ----------------------------------------------------------------------------------

class Writer:
    """One node's batches of checkpoints, as fast as they are answered."""

    def __init__(self, postgres, number):
        self.connection = postgres.connect("node", "checkpoints")
        self.key = key(number)
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT partition_id, token FROM holdfast.assignment(%s)", (self.key,))
            self.grants = cursor.fetchall()
        self.sequence = 0
        self.refused = 0

    def save(self):
        self.sequence += 1
        count = len(self.grants)
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FILTER (WHERE outcome <> 'saved')"
                "  FROM holdfast.save_checkpoints(%s, %s, %s, %s, %s, %s)",
                (self.key, [grant[0] for grant in self.grants],
                 [grant[1] for grant in self.grants],
                 [str(4096 * self.sequence)] * count, [self.sequence] * count,
                 [1700000000000 + self.sequence] * count))
            self.refused += cursor.fetchone()[0]

    def save_until(self, deadline, most=None):
        while time.monotonic() < deadline and (most is None or self.sequence < most):
            self.save()


def save_all(writers, seconds, most=None):
    """All at once; rows per second."""
    before = sum(writer.sequence * len(writer.grants) for writer in writers)
    began = time.monotonic()
    threads = [threading.Thread(target=writer.save_until, args=(began + seconds, most))
               for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    return (sum(writer.sequence * len(writer.grants) for writer in writers) - before) / took


def table_size(postgres):
    row = postgres.query("""
        SELECT pg_table_size('holdfast.checkpoint') AS bytes,
               pg_indexes_size('holdfast.checkpoint') AS indexes""", database="checkpoints")[0]
    return row.bytes // 1024, row.indexes // 1024


def updates(postgres):
    """Rows updated so far, and how many of them HOT, once the statistics have come in."""
    time.sleep(1.5)
    row = postgres.query("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
                         " WHERE relid = 'holdfast.checkpoint'::regclass",
                         database="checkpoints")[0]
    return row.n_tup_upd, row.n_tup_hot_upd


def wal_bytes(postgres):
    return int(postgres.query("SELECT wal_bytes FROM pg_stat_wal", database="postgres")[0][0])


def checkpoints(_run, postgres, options):
    configure(postgres, "checkpoints")
    connection = postgres.connect(database="checkpoints")
    with connection.cursor() as cursor:
        open_incarnation(cursor)
        add_sessions(cursor, 1, max(WRITERS))
        add_partitions(cursor, BATCH * max(WRITERS))
        cursor.execute("SELECT holdfast.place_free()")
    connection.close()
    writers = [Writer(postgres, number + 1) for number in range(max(WRITERS))]
    seconds = 3 if options.quick else 10
    found = {"batch": BATCH, "table_kib_before": table_size(postgres)[0]}
    for count in WRITERS:
        before = updates(postgres)
        wal = wal_bytes(postgres)
        rate = save_all(writers[:count], seconds)
        after = updates(postgres)
        found[f"rows_per_second_{count}"] = round(rate)
        found[f"hot_share_{count}"] = round((after[1] - before[1]) / (after[0] - before[0]), 4)
        if count == 1:
            wal = wal_bytes(postgres) - wal
            found["wal_bytes_per_row"] = round(wal / (after[0] - before[0]), 1)
        report.say(f"checkpoints, {count} writers: {rate:.0f} rows/s")
    # An hour's worth of one node's saves (a quarter of it, if quick), by one writer.
    saves = SAVES_AN_HOUR // (4 if options.quick else 1)
    save_all(writers[:1], 120, writers[0].sequence + saves)
    table, indexes = table_size(postgres)
    found |= {"table_kib_after": table, "index_kib_after": indexes, "saves_of_one_node": saves,
              "refused": sum(writer.refused for writer in writers)}
    for writer in writers:
        writer.connection.close()
    return found


# --- bindings -------------------------------------------------------------------------------------

def look_up(postgres, devices, seconds, batch):
    """Devices per second out of holdfast.resolve, in random batches."""
    connection = postgres.connect("node", "bindings")
    chance = random.Random(1)
    done, began = 0, time.monotonic()
    with connection.cursor() as cursor:
        while time.monotonic() < began + seconds:
            names = [f"device-{chance.randrange(devices):07d}" for _ in range(batch)]
            cursor.execute("SELECT count(thing) FROM holdfast.resolve(%s, 'demo', %s, %s)",
                           (key(1), names, [""] * batch))
            assert cursor.fetchone()[0] == len(set(names))
            done += batch
    connection.close()
    return round(done / (time.monotonic() - began))


def bindings(run, postgres, options):
    configure(postgres, "bindings")
    devices = 100_000 if options.quick else 1_000_000
    connection = postgres.connect(database="bindings")
    with connection.cursor() as cursor:
        open_incarnation(cursor)
        add_sessions(cursor, 1, 1)
        cursor.execute("SELECT holdfast.bind_device('demo', 'device-0000000', 'Thing-0000000')")
        loading = timed(cursor, f"""
            INSERT INTO holdfast.binding (fleet, device, module, thing, source)
            SELECT 'demo', d, '', 'Thing-' || right(d, 7), 'row'
              FROM (SELECT 'device-' || lpad(i::text, 7, '0') AS d
                      FROM generate_series(1, {devices - 1}) i) AS every""")
        cursor.execute("VACUUM ANALYZE holdfast.binding")
        cursor.execute("SELECT pg_total_relation_size('holdfast.binding')")
        size = cursor.fetchone()[0]
    connection.close()
    report.say(f"{devices} bindings stored within {loading[0] / 1000:.1f} s")
    seconds = 2 if options.quick else 5
    found = {"devices": devices, "table_and_indexes_mib": round(size / (1 << 20))}
    for batch in (1, 1000):
        found[f"resolve_devices_per_second_batch_{batch}"] = look_up(postgres, devices, seconds,
                                                                    batch)
    # The rows of sessions without connections would be buried by the driver's own join.
    postgres.query("UPDATE holdfast.session SET ended_at = now(), end_reason = 'left'",
                   database="bindings")
    done = subprocess.run(
        [place.build_folder() / "tests/bench/drivers/binding-driver", "demo", str(devices),
         str(seconds)], capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "HOLDFAST_DATABASE": postgres.dsn("node", "bindings"),
             "HOLDFAST_SQL_DIR": str(place.ROOT)})
    if done.returncode:
        raise RuntimeError(f"binding-driver failed: {done.stderr[-2000:]}")
    cache = json.loads(done.stdout)
    found["cache"] = {"load_seconds": cache["load_seconds"],
                      "memory_mib": round(cache["memory_kib"] / 1024),
                      "bytes_per_device": round(cache["memory_kib"] * 1024 / devices),
                      "lookups_per_cpu_second": cache["lookups_per_cpu_second"]}
    (run.path / "cache.json").write_text(done.stdout)
    return found
