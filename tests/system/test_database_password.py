"""A node's password for the database is replaced while it runs, whichever side learns it first: it
stands in a file that is read for every connection."""

import os
import time

import psycopg2
import pytest

from database_kit import NODE_ARGUMENTS, logged, sessions
from harness.waiting import wait_until
from proof import end, settle

RATE = 300
OLD, NEW = "the-old-pass:word", "the-new-pass:word"


class Login:
    """A login of its own for one scenario, and the file that its node finds its password in."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.name = f"rotating_{os.getpid()}"
        self.passfile = cluster.run.path / "secrets" / "node.pgpass"
        cluster.query(f"CREATE ROLE {self.name} LOGIN PASSWORD '{OLD}' IN ROLE holdfast_node")
        self.write(OLD)

    def write(self, password):
        fresh = self.passfile.with_suffix(".new")
        fresh.write_text("*:*:*:*:" + password.replace(":", "\\:") + "\n")
        fresh.chmod(0o600)
        fresh.rename(self.passfile)

    def alter(self, password):
        self.cluster.query(f"ALTER ROLE {self.name} PASSWORD '{password}'")

    def dsn(self):
        postgres = self.cluster.postgres
        return (f"host=127.0.0.1 port={postgres.port} dbname={self.cluster.database}"
                f" user={self.name} passfile={self.passfile}")

    def terminate(self):
        """What an administrator does so that nobody goes on under the old password."""
        rows = self.cluster.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                  " WHERE usename = %s", (self.name,))
        assert len(rows) >= 3

    def drop(self):
        self.cluster.query(f"DROP ROLE {self.name}")


@pytest.mark.parametrize("first", ["file", "role"])
def test_a_password_is_replaced_without_a_restart(make_cluster, first):
    cluster = make_cluster(nodes=0, partitions=2, started=False)
    cluster.prepare()
    cluster.configure()
    login = Login(cluster)
    plain, cluster.postgres.dsn = cluster.postgres.dsn, lambda *_a, **_k: login.dsn()
    try:
        node = cluster.add_node("node-1", wait=False, arguments=NODE_ARGUMENTS)
    finally:
        cluster.postgres.dsn = plain
    node.wait_ready()
    cluster.hub.generate(rate=RATE)
    wait_until(cluster.checkpoints, 60, "events are delivered")
    session = sessions(cluster)["node-1"]
    if first == "file":
        login.write(NEW)
        login.alter(NEW)
        assert sessions(cluster)["node-1"] == session, "who is connected stays so"
        login.terminate()
    else:
        login.alter(NEW)
        login.terminate()
        wait_until(lambda: logged(node, "password authentication failed")
                   and logged(node, "PGPASSFILE"), 60,
                   "it is not let in, and says where the password is read")
        accepted = cluster.thingworx.state()["accepted_values"]
        wait_until(lambda: cluster.thingworx.state()["accepted_values"] > accepted + RATE, 60,
                   "delivery goes on meanwhile")
        login.write(NEW)
    began = time.monotonic()
    wait_until(lambda: sessions(cluster).get("node-1", session) > session, 60, "it joins again")
    node.wait_ready()
    print(f"{first} first: joined again after {time.monotonic() - began:.2f} s")
    wait_until(lambda: set(cluster.owners().values()) == {"node-1"}, 60, "it owns what it owned")
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(login.dsn() + f" password='{OLD}'")
    log = node.log.read_text(errors="replace")
    assert OLD not in log and NEW not in log
    settle(cluster, duplicates=0)
    end(cluster)
    login.drop()


def test_a_file_that_others_may_read_is_explained(make_cluster):
    """libpq takes no notice of it, and the server asks in vain: the hint says what is missing."""
    cluster = make_cluster(nodes=0, partitions=1, started=False)
    cluster.prepare()
    login = Login(cluster)
    login.passfile.chmod(0o644)
    plain, cluster.postgres.dsn = cluster.postgres.dsn, lambda *_a, **_k: login.dsn()
    try:
        node = cluster.add_node("node-1", wait=False, arguments=NODE_ARGUMENTS)
    finally:
        cluster.postgres.dsn = plain
    wait_until(lambda: logged(node, "mode 0600"), 60, "it says so")
    login.passfile.chmod(0o600)
    node.wait_ready()
    assert node.stop() == 0
    login.drop()
