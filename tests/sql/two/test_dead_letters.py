"""Dead letters by week: housekeeping that stops nobody, and the move from the one table before."""

import pathlib
import threading

import psycopg2

from members import Connection, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[3]
LAST_BEFORE = 8  # migration


def file(node, partition, token):
    """What becomes of one letter."""
    return [row[0] for row in node.work.rows(
        "SELECT * FROM holdfast.file_dead_letters(%s, %s, %s, ARRAY['d'], ARRAY[''], ARRAY['1'],"
        " ARRAY[1::bigint], ARRAY[1::bigint], ARRAY['refused'], ARRAY[''], ARRAY[''],"
        " ARRAY['x'::bytea], ARRAY[0], ARRAY['{}'::jsonb])", node.key, [partition], [token])]


def old_week(cluster):
    """An empty partition whose time is over."""
    cluster.admin.rows(
        "CREATE TABLE dead_letter_20200106 PARTITION OF dead_letter"
        " FOR VALUES FROM ('2020-01-06 00:00+00') TO ('2020-01-13 00:00+00')")
    cluster.admin.rows("ALTER TABLE dead_letter_20200106 OWNER TO holdfast_owner")


def is_there(cluster):
    return cluster.admin.one("SELECT to_regclass('holdfast.dead_letter_20200106') IS NOT NULL")


def due(cluster):
    cluster.admin.rows("UPDATE housekeeping SET done_at = '-infinity' WHERE task = 'dead_letters'")


def tend(leader):
    leader.tend()  # may have other things to do first
    leader.tend()


def test_housekeeping_of_dead_letters_waits_for_nobody(cluster):
    leader = cluster.join("a", ttl_ms=60000)
    cluster.report(leader, partitions=1)
    tend(leader)
    old_week(cluster)
    reader = Connection(cluster.dsn)
    reader.raw.autocommit = False
    reader.rows("SELECT count(*) FROM holdfast.dead_letter")
    due(cluster)
    tend(leader)
    assert is_there(cluster), "somebody reads, for as long as it likes"
    assert cluster.admin.one("SELECT done_at < clock_timestamp() - interval '8 minutes' FROM housekeeping"
                             " WHERE task = 'dead_letters'"), "it comes again in a minute"
    partition, (token, _state) = sorted(leader.assignment().items())[0]
    assert file(leader, partition, token) == ["kept"]
    reader.raw.rollback()
    due(cluster)
    tend(leader)
    assert not is_there(cluster)
    reader.close()


def test_a_letter_that_is_filed_twice_at_once_is_kept_once(cluster):
    """No unique key can say so: the lock on the partition does."""
    leader = cluster.join("a", ttl_ms=60000)
    cluster.report(leader, partitions=1)
    tend(leader)
    partition, (token, _state) = sorted(leader.assignment().items())[0]
    other = Connection(cluster.dsn)
    other.raw.autocommit = False
    other.rows("SELECT holdfast.add_dead_letters(%s, %s, %s, ARRAY['d'], ARRAY[''], ARRAY['1'],"
               " ARRAY[1::bigint], ARRAY[1::bigint], ARRAY['refused'], ARRAY[''], ARRAY[''],"
               " ARRAY['x'::bytea], ARRAY[0])", leader.key, [partition], [token])
    verdicts = []
    later = threading.Thread(target=lambda: verdicts.append(file(leader, partition, token)))
    later.start()
    assert wait_for(lambda: cluster.admin.one(
        "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", leader.work.pid))
    other.raw.commit()
    later.join(20)
    assert verdicts == [["kept"]]
    assert cluster.admin.one("SELECT count(*) FROM dead_letter") == 1
    other.close()


def test_the_migration_moves_what_is_there(cluster):
    name = "holdfast_letters_before"
    cluster.admin.rows(f"DROP DATABASE IF EXISTS {name}")
    cluster.admin.rows(f"CREATE DATABASE {name}")
    database = psycopg2.connect(cluster.dsn, dbname=name)
    try:
        with database, database.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS btree_gist; CREATE SCHEMA holdfast")
            files = sorted((ROOT / "migrations").glob("*.sql"))
            for file in files[:LAST_BEFORE]:
                cursor.execute(file.read_text(encoding="utf-8"))
            cursor.execute(
                "INSERT INTO holdfast.dead_letter (partition_id, generation, sequence, property, hub,"
                " partition, device, module, event_offset, enqueued_ms, reason, detail, payload,"
                " attempts, node, token, created_at, context)"
                " SELECT 1, 1, n, '', 'h', '0', 'd', '', 'o', n, 'refused', 'why', 'x', 1, 'n', 7,"
                " now() - n * interval '9 days', jsonb_build_object('n', n)"
                " FROM generate_series(0, 20) AS n")
            cursor.execute("DELETE FROM holdfast.dead_letter WHERE sequence = 20")
            cursor.execute("SELECT to_jsonb(d) FROM holdfast.dead_letter d ORDER BY dead_letter_id")
            before = cursor.fetchall()
            cursor.execute(files[LAST_BEFORE].read_text(encoding="utf-8"))
            cursor.execute("SELECT to_jsonb(d) FROM holdfast.dead_letter d ORDER BY dead_letter_id")
            assert cursor.fetchall() == before and len(before) == 20
            cursor.execute("SELECT count(*), count(DISTINCT tableoid),"
                           " nextval('holdfast.dead_letter_id') FROM holdfast.dead_letter")
            assert cursor.fetchone() == (20, 20, 22), "each in its week; no id comes again"
            cursor.execute("SELECT count(*) FROM ONLY holdfast.dead_letter_default")
            assert cursor.fetchone() == (0,)
    finally:
        database.close()
        cluster.admin.rows(f"DROP DATABASE {name}")
