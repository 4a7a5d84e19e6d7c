"""A database that comes back from a backup: the steps are those of docs/runbook.md."""

import contextlib
import os
import shutil
import subprocess

import psycopg2
import pytest

from harness import place
from harness.waiting import wait_until
from database_kit import NODE_ARGUMENTS, flow_on, in_doubt, logged, saved, steady
from proof import end, settle, unsaved


def call(postgres, program, *arguments):
    done = subprocess.run([str(place.postgres_program(program)), *map(str, arguments)],
                          capture_output=True, text=True, check=False,
                          env={**os.environ, "PGPASSFILE": str(postgres.passfile)})
    assert done.returncode == 0, done.stderr


def highest_token(cluster):
    """Of all that were ever granted."""
    return cluster.query("SELECT max(token) AS token FROM holdfast.ownership")[0].token


def new_tokens(cluster):
    """Tokens draw apart from those of the checkpoints when a node starts anew."""
    before = highest_token(cluster)
    node = cluster.nodes["node-1"]
    node.kill()
    node.start()
    cluster.wait_balanced()
    assert highest_token(cluster) > before


def restored(cluster, before, kept, lives):
    """What must hold after every restore. `kept` are checkpoints that the backup has, or later ones;
    `lives` is how many lives of the server it knew."""
    for node in cluster.nodes.values():
        node.wait_ready(60)
    cluster.wait_balanced(60)
    grants = cluster.grants()
    assert all(token > before for _node, token, _state in grants.values()), "tokens grow"
    assert cluster.query("SELECT count(*) AS n FROM holdfast.incarnations")[0].n > lives
    assert cluster.query("SELECT * FROM holdfast.diagnose() WHERE severity = 'error'") == []
    flow_on(cluster, 1)
    again = unsaved(cluster, kept)
    found = settle(cluster, duplicates=again)
    print(f"{found['duplicates']} events came again; {again} at most")
    end(cluster)


def lives_of(cluster):
    return cluster.query("SELECT count(*) AS n FROM holdfast.incarnations")[0].n


@pytest.mark.parametrize("nodes", ["running", "started anew"])
def test_a_dump_is_restored(make_cluster, run_folder, nodes):
    """Into a new database of the same server, which is the hardest case: system identifier, timeline
    and start of the server are those of the dump."""
    cluster = make_cluster(nodes=2, node_arguments=NODE_ARGUMENTS)
    postgres, name, dump = cluster.postgres, cluster.database, run_folder / f"{nodes[0]}.dump"
    steady(cluster)
    kept, lives = saved(cluster), lives_of(cluster)
    call(postgres, "pg_dump", "-Fc", "-f", dump, "-d", postgres.dsn("postgres", name))
    new_tokens(cluster)
    flow_on(cluster, 1)
    before = highest_token(cluster)
    if nodes == "started anew":
        for node in cluster.nodes.values():
            node.kill()
    wait_until(lambda: dropped(postgres, name), 60, "the database is dropped")
    if nodes == "running":
        in_doubt(cluster)
        flow_on(cluster, 1)
    # Nobody but a superuser gets in before everything is there.
    postgres.query(f'CREATE DATABASE "{name}" TEMPLATE template0'
                   " ENCODING 'UTF8' CONNECTION LIMIT 0", database="postgres")
    postgres.psql_file(place.ROOT / "server/roles.sql", name)
    call(postgres, "pg_restore", "--exit-on-error", "-d", postgres.dsn("postgres", name), dump)
    postgres.query(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1', database="postgres")
    postgres.migrate(name)
    if nodes == "started anew":
        for node in cluster.nodes.values():
            node.start()
    restored(cluster, before, kept, lives)


def dropped(postgres, name):
    """PostgreSQL waits for those whom it throws out, but not for long."""
    with contextlib.suppress(psycopg2.errors.ObjectInUse):
        postgres.query(f'DROP DATABASE "{name}" WITH (FORCE)', database="postgres")
        return True
    return False


@pytest.fixture
def run_folder(run, request):
    return run.part(f"{request.node.name}_backup".replace(" ", "_")).path


def test_a_base_backup_is_restored_and_rolled_forward(make_cluster, make_postgres, run):
    """Point-in-time recovery opens a new timeline; the nodes run on through it."""
    archive = run.server_folder("archive")
    # What is there is whole: it may be killed in the middle.
    postgres = make_postgres({"archive_mode": "on", "archive_command":
                              f"cp %p {archive}/part && mv {archive}/part {archive}/%f"})
    cluster = make_cluster(nodes=2, own_postgres=postgres, node_arguments=NODE_ARGUMENTS)
    steady(cluster)
    backup = archive.parent / "base"
    back_up(postgres, backup)
    flow_on(cluster, 1)
    kept, lives = saved(cluster), lives_of(cluster)
    wal = postgres.query("SELECT pg_walfile_name(pg_switch_wal()) AS name", database="postgres")
    wait_until((archive / wal[0].name).exists, 60, "the WAL so far is archived")
    new_tokens(cluster)
    flow_on(cluster, 1)
    before = highest_token(cluster)
    postgres.kill()
    in_doubt(cluster)
    shutil.rmtree(postgres.data)
    shutil.move(backup, postgres.data)
    (postgres.data / "recovery.signal").touch()
    if postgres.user:
        give_to_server(postgres)
    postgres.settings["restore_command"] = f"cp {archive}/%f %p"
    postgres.start()
    wait_until(lambda: not postgres.query("SELECT pg_is_in_recovery() AS r",
                                          database="postgres")[0].r, 120, "it is promoted")
    restored(cluster, before, kept, lives)
    assert cluster.query("SELECT max(timeline) AS t FROM holdfast.incarnations")[0].t == 2
    assert not any(logged(node, "left behind") for node in cluster.nodes.values())


def back_up(postgres, folder):
    call(postgres, "pg_basebackup", "-D", folder, "-c", "fast", "-X", "none", "-d",
        postgres.dsn("postgres", "postgres"))


def give_to_server(postgres):
    for folder, _folders, files in os.walk(postgres.data):
        shutil.chown(folder, postgres.user, postgres.user)
        for name in files:
            shutil.chown(os.path.join(folder, name), postgres.user, postgres.user)
    os.chmod(postgres.data, 0o700)
