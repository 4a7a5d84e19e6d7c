"""`holdfast migrate`: forward only, checksummed, all or nothing, several at once.

Each test gets an empty database and a small tree of SQL of its own; one uses the project's tree.
The program is HOLDFAST, or that of HOLDFAST_BUILD; a superuser's connection string in HOLDFAST_TEST_DSN.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess

import psycopg2
import psycopg2.extensions
import pytest

from members import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[3]
SUPERUSER = os.environ.get("HOLDFAST_TEST_DSN", "")
BUILD = pathlib.Path(os.environ.get("HOLDFAST_BUILD") or ROOT / "build/asan")
HOLDFAST = os.environ.get("HOLDFAST") or str(BUILD / "holdfast")
LOCK = int.from_bytes(b"holdfast", "big")
pytestmark = pytest.mark.skipif(not SUPERUSER, reason="HOLDFAST_TEST_DSN names no database")
VIEW = "DROP VIEW IF EXISTS holdfast.things CASCADE;\nCREATE VIEW holdfast.things AS SELECT id FROM holdfast.thing;\n"
FUNCTION = ("CREATE OR REPLACE FUNCTION holdfast.answer() RETURNS int\n"
            "LANGUAGE sql AS $$ SELECT holdfast.half() * 2 $$;\n")
HALF = "CREATE OR REPLACE FUNCTION holdfast.half() RETURNS int\nLANGUAGE sql AS $$ SELECT 21 $$;\n"


def connect(database):
    connection = psycopg2.connect(psycopg2.extensions.make_dsn(SUPERUSER, dbname=database))
    connection.autocommit = True
    return connection


@pytest.fixture
def database(request):
    name = "migrate_" + hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    with_nobody = connect("postgres")
    with with_nobody.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {name}")
    owner = connect(name)
    with owner.cursor() as cursor:
        roles = (ROOT / "server/roles.sql").read_text()
        cursor.execute("\n".join(line for line in roles.splitlines() if line[:1] != "\\"))
    owner.close()
    yield name
    with with_nobody.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    with_nobody.close()


@pytest.fixture
def tree(tmp_path):
    """answer.sql calls what half.sql makes only later: the order of names must not matter."""
    write(tmp_path, "migrations/0001_things.sql", "CREATE TABLE holdfast.thing (id int);\n")
    write(tmp_path, "migrations/0002_names.sql",
          "ALTER TABLE holdfast.thing ADD name text;\nINSERT INTO holdfast.thing VALUES (1, 'a');\n")
    write(tmp_path, "sql/10_functions/answer.sql", FUNCTION)
    write(tmp_path, "sql/10_functions/half.sql", HALF)
    write(tmp_path, "sql/20_views/things.sql", VIEW)
    write(tmp_path, "sql/20_views/.ignored.sql", "nonsense\n")
    write(tmp_path, "sql/20_views/README", "nonsense\n")
    return tmp_path


def write(tree, path, text):
    file = tree / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


# Exit statuses: the answer to a check is no; something went wrong.
NO, FAILED = 1, 3


def start(database, tree, *options, **extra):
    dsn = psycopg2.extensions.make_dsn(SUPERUSER, dbname=database, **extra)
    return subprocess.Popen([HOLDFAST, "migrate", *options], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True,
                            env=dict(os.environ, HOLDFAST_DATABASE=dsn, HOLDFAST_SQL_DIR=str(tree)))


def migrate(database, tree, *options, status=0, **extra):
    child = start(database, tree, *options, **extra)
    output, _ = child.communicate(timeout=300)
    assert child.returncode == status, output
    return output


def query(database, sql):
    connection = connect(database)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def applied(database):
    return query(database, "SELECT (SELECT array_agg(version ORDER BY version) FROM holdfast.schema_migration),"
                           " (SELECT array_agg(path ORDER BY path) FROM holdfast.schema_object)")[0]


def test_applies_once_and_check_tells(database, tree):
    output = migrate(database, tree, "--check", status=NO)
    assert "migrations/0001_things.sql" in output and "migrations/0002_names.sql" in output
    assert query(database, "SELECT to_regnamespace('holdfast')") == [(None,)], "a check writes nothing"
    migrate(database, tree)
    assert applied(database) == ([1, 2], ["sql/10_functions/answer.sql", "sql/10_functions/half.sql",
                                          "sql/20_views/things.sql"])
    assert query(database, "SELECT holdfast.answer(), (SELECT id FROM holdfast.things)") == [(42, 1)]
    assert query(database, "SELECT DISTINCT relowner::regrole::text FROM pg_class"
                           " WHERE relnamespace = 'holdfast'::regnamespace") == [("holdfast_owner",)]
    before = query(database, "SELECT applied_at FROM holdfast.schema_object")
    migrate(database, tree, "--check")
    migrate(database, tree)
    assert query(database, "SELECT applied_at FROM holdfast.schema_object") == before


def test_several_at_once(database, tree):
    children = [start(database, tree) for _ in range(4)]
    outputs = [child.communicate(timeout=300)[0] for child in children]
    assert [child.returncode for child in children] == [0] * 4, outputs
    assert sum(output.count("migration applied") for output in outputs) == 2
    assert query(database, "SELECT count(*) FROM holdfast.thing") == [(1,)]


def test_waits_for_another(database, tree):
    other = connect(database)
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        child = start(database, tree)
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        assert wait_for(lambda: child.poll() is not None or query(database, waiting) == [(1,)])
        assert child.poll() is None
        cursor.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
    output, _ = child.communicate(timeout=300)
    other.close()
    assert child.returncode == 0 and "waiting for another" in output, output


def test_changed_migration_is_refused(database, tree):
    migrate(database, tree)
    write(tree, "migrations/0001_things.sql", "CREATE TABLE holdfast.thing (id bigint);\n")
    for options in ([], ["--check"]):
        output = migrate(database, tree, *options, status=NO if options else FAILED)
        assert "migrations/0001_things.sql was changed" in output and "new migration" in output


def test_renamed_migration_is_refused(database, tree):
    migrate(database, tree)
    (tree / "migrations/0002_names.sql").rename(tree / "migrations/0002_other.sql")
    assert "was changed" in migrate(database, tree, status=FAILED)


def test_newer_database_is_refused(database, tree):
    write(tree, "migrations/0003_newer.sql", "CREATE TABLE holdfast.newer ();\n")
    migrate(database, tree)
    (tree / "migrations/0003_newer.sql").unlink()
    write(tree, "sql/10_functions/half.sql", HALF.replace("21", "1"))
    for options in ([], ["--check"]):
        output = migrate(database, tree, *options, status=NO if options else FAILED)
        assert "migration 3" in output and "does not know" in output and "newer" in output
    assert query(database, "SELECT holdfast.answer()") == [(42,)], "nothing is applied then"


def test_sql_is_applied_again_when_it_differs(database, tree):
    migrate(database, tree)
    write(tree, "sql/10_functions/half.sql", HALF.replace("21", "4"))
    assert "sql/10_functions/half.sql" in migrate(database, tree, "--check", status=NO)
    migrate(database, tree)
    assert query(database, "SELECT holdfast.answer()") == [(8,)]
    write(tree, "sql/10_functions/third.sql", HALF.replace("half", "third"))
    migrate(database, tree, "--check", status=NO)
    migrate(database, tree)
    (tree / "sql/10_functions/third.sql").unlink()
    assert "removed" in migrate(database, tree, "--check", status=NO)
    migrate(database, tree)
    migrate(database, tree, "--check")
    assert len(applied(database)[1]) == 3


def test_a_view_may_change_its_columns(database, tree):
    migrate(database, tree)
    write(tree, "sql/20_views/things.sql", VIEW.replace("SELECT id", "SELECT name, id"))
    migrate(database, tree)
    assert query(database, "SELECT * FROM holdfast.things") == [("a", 1)]


@pytest.mark.parametrize("text, line", [
    ("-- é ü\n\nSELECT 1;\nCREATE VIEW holdfast.broken AS SELECT none FROM holdfast.thing;\n", 4),
    ("CREATE OR REPLACE FUNCTION holdfast.broken() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n"
     "    RETRUN 1;\nEND $$;\n", 3),
    ("CREATE OR REPLACE FUNCTION holdfast.broken() RETURNS int\nLANGUAGE sql AS $$\n"
     "    SELECT holdfast.nowhere()\n$$;\n", 3)])
def test_broken_sql_leaves_everything_as_it_was(database, tree, text, line):
    migrate(database, tree)
    before = query(database, "SELECT * FROM holdfast.schema_object")
    write(tree, "sql/10_functions/half.sql", HALF.replace("21", "1"))
    write(tree, "sql/30_more/broken.sql", text)
    output = migrate(database, tree, status=FAILED)
    assert f"sql/30_more/broken.sql:{line}:" in output, output
    assert query(database, "SELECT holdfast.answer()") == [(42,)]
    assert query(database, "SELECT * FROM holdfast.schema_object") == before


def test_broken_migration_leaves_the_ones_before_it(database, tree):
    write(tree, "migrations/0003_broken.sql", "CREATE TABLE holdfast.made ();\nSELECT 1/0;\n")
    output = migrate(database, tree, status=FAILED)
    assert "migrations/0003_broken.sql" in output and "division by zero" in output
    assert query(database, "SELECT to_regclass('holdfast.made')") == [(None,)]
    assert applied(database) == ([1, 2], None)
    write(tree, "migrations/0003_broken.sql", "CREATE TABLE holdfast.made ();\n")
    migrate(database, tree)
    assert applied(database)[0] == [1, 2, 3]


def test_transaction_statements_are_refused(database, tree):
    write(tree, "sql/30_more/commits.sql", "SELECT 1;\nCOMMIT;\n")
    output = migrate(database, tree, status=FAILED)
    assert "sql/30_more/commits.sql" in output and "ends the transaction" in output


@pytest.mark.parametrize("name", ["0004_gap.sql", "0002_twice.sql", "5_short.sql", "0003.sql", "0000_nought.sql"])
def test_bad_numbers_are_refused(database, tree, name):
    write(tree, "migrations/" + name, "SELECT 1;\n")
    output = migrate(database, tree, status=FAILED)
    assert name in output or "gap" in output
    assert query(database, "SELECT to_regnamespace('holdfast')") == [(None,)]


def test_missing_folder_is_refused(database, tmp_path):
    assert "HOLDFAST_SQL_DIR" in migrate(database, tmp_path, status=FAILED)


def test_who_is_no_owner_is_refused(database, tree):
    query(database, "DO $$ BEGIN CREATE ROLE migrate_stranger LOGIN PASSWORD 'pw';"
                    " EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    output = migrate(database, tree, status=FAILED, user="migrate_stranger", password="pw")
    assert "not a member of holdfast_owner" in output and "server/roles.sql" in output
    assert "pw" not in output.replace("password", "")


def test_another_encoding_is_refused(database, tree):
    name = database + "_latin1"
    query("postgres", f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        output = migrate(name, tree, status=FAILED)
        assert "LATIN1" in output and "ENCODING 'UTF8'" in output
        assert query(name, "SELECT to_regnamespace('holdfast')") == [(None,)]
    finally:
        query("postgres", f"DROP DATABASE {name} WITH (FORCE)")


def test_no_server(database, tree):
    output = migrate(database, tree, status=FAILED, host="127.0.0.1", port=1, password="hunter2")
    assert "cannot connect" in output and "hunter2" not in output


def test_a_table_lock_does_not_hang_it_for_ever(database, tree):
    migrate(database, tree)
    write(tree, "migrations/0003_more.sql", "ALTER TABLE holdfast.thing ADD more int;\n")
    other = connect(database)
    other.autocommit = False
    with other.cursor() as cursor:
        cursor.execute("LOCK TABLE holdfast.thing IN ACCESS SHARE MODE")
        output = migrate(database, tree, status=FAILED)
    other.close()
    assert "lock timeout" in output and "pg_locks" in output
    migrate(database, tree)


def test_the_projects_own_tree(database, tmp_path):
    for folder in ("migrations", "sql"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    migrate(database, tmp_path)
    files = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "sql").rglob("*.sql"))
    lines = "".join(f"{path} {hashlib.sha256((tmp_path / path).read_bytes()).hexdigest()}\n" for path in files)
    assert query(database, "SELECT version, digest FROM holdfast.schema_version()") == [
        (len(list((tmp_path / "migrations").glob("*.sql"))), hashlib.sha256(lines.encode()).hexdigest())]
    # A change anywhere applies everything again, over what is in use.
    with (tmp_path / "sql/90_grants.sql").open("a") as grants:
        grants.write("-- changed\n")
    migrate(database, tmp_path)
    migrate(database, tmp_path, "--check")
