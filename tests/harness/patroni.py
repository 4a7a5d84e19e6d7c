"""PostgreSQL under Patroni with etcd, from Debian's packages, set up from server/ha as a user would."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time

import psycopg2

from harness import place
from harness.postgres import Postgres, free_port, quoted
from harness.process import Child, Died, tail
from harness.waiting import wait_until

ETCDS = 3
MEMBERS = 2


def missing():
    """The programs that are not installed."""
    return [name for name in ("etcd", "patroni") if shutil.which(name) is None]


def read_environment(name):
    """What stands in one of the examples."""
    lines = (place.ROOT / "server/ha" / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


class Etcd:
    """As many members as a user would run."""

    def __init__(self, run, name):
        self.run = run
        self.members = [(f"{name}-etcd-{number}", free_port(), free_port())
                        for number in range(1, ETCDS + 1)]
        self.children = []

    @property
    def hosts(self):
        return ",".join(f"127.0.0.1:{client}" for _name, client, _peer in self.members)

    def start(self):
        everybody = ",".join(f"{name}=http://127.0.0.1:{peer}" for name, _c, peer in self.members)
        example = read_environment("etcd.env.example")
        for name, client, peer in self.members:
            folder = self.run.server_folder(name)
            own = {"ETCD_NAME": name, "ETCD_INITIAL_CLUSTER": everybody,
                   "ETCD_LISTEN_PEER_URLS": f"http://127.0.0.1:{peer}",
                   "ETCD_INITIAL_ADVERTISE_PEER_URLS": f"http://127.0.0.1:{peer}",
                   "ETCD_LISTEN_CLIENT_URLS": f"http://127.0.0.1:{client}",
                   "ETCD_ADVERTISE_CLIENT_URLS": f"http://127.0.0.1:{client}",
                   "ETCD_DATA_DIR": str(folder / "data")}
            self.children.append(Child(name, [shutil.which("etcd")], self.run.log(name),
                                       user=place.server_user(), cwd=folder,
                                       env={**os.environ, **example, **own}))


class Member(Postgres):
    """One machine: Patroni, and the PostgreSQL that it runs."""

    def __init__(self, run, name, etcd, passwords):
        self.passwords = passwords
        self.etcd = etcd
        super().__init__(run, name=name)
        self.home = self.data  # Patroni makes and removes the data folder in it
        self.data = self.home / "data"
        self.port = free_port()
        self.rest_port = free_port()

    def _initdb(self, auth):
        """Patroni's work; the passfile is ours."""
        self.password = self.passwords["SUPERUSER"]
        self.passfile.write_text(f"*:*:*:*:{self.password}\n")
        self.passfile.chmod(0o600)

    def _file(self):
        """The shipped file, with the paths of this test."""
        text = (place.ROOT / "server/ha/patroni.yml").read_text(encoding="utf-8")
        shipped = self.home / "postgresql.conf"
        settings = (place.ROOT / "server/postgresql.conf").read_text(encoding="utf-8")
        # The machine itself does not crash here: waiting for its disk would only cost time.
        shipped.write_text(settings + "fsync = off\n", encoding="utf-8")
        path = self.home / "patroni.yml"
        path.write_text(text.replace("/etc/holdfast/postgresql.conf", str(shipped))
                        .replace("/run/postgresql", str(self.sockets)), encoding="utf-8")
        for each in (shipped, path):
            each.chmod(0o644)
        return path

    def settings_of_patroni(self):
        """As /etc/patroni_env.conf would give it."""
        own = {"PATRONI_NAME": self.name, "PATRONI_ETCD3_HOSTS": self.etcd.hosts,
               "PATRONI_RESTAPI_LISTEN": f"127.0.0.1:{self.rest_port}",
               "PATRONI_RESTAPI_CONNECT_ADDRESS": f"127.0.0.1:{self.rest_port}",
               "PATRONI_POSTGRESQL_LISTEN": f"127.0.0.1:{self.port}",
               "PATRONI_POSTGRESQL_CONNECT_ADDRESS": f"127.0.0.1:{self.port}",
               "PATRONI_POSTGRESQL_DATA_DIR": str(self.data),
               "PATRONI_POSTGRESQL_BIN_DIR": str(place.postgres_program("postgres").parent),
               "PATRONI_POSTGRESQL_PGPASS": str(self.home / "pgpass"),
               **{f"PATRONI_{user}_PASSWORD": word for user, word in self.passwords.items()}}
        return {**os.environ, **read_environment("patroni.env.example"), **own}

    def start(self):
        # Asked to end, Patroni takes its PostgreSQL with it, also when we are killed.
        self.child = Child(f"{self.name}-patroni", [shutil.which("patroni"), self._file()],
                           self.run.log(self.name), user=self.user, cwd="/",
                           death_signal=signal.SIGTERM, env=self.settings_of_patroni())
        return self

    def control(self, *arguments):
        """patronictl on this machine."""
        done = subprocess.run(["patronictl", "-c", self.home / "patroni.yml", *arguments],
                              capture_output=True, text=True, check=False, cwd="/",
                              env=self.settings_of_patroni())
        if done.returncode:
            raise Died(f"patronictl {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def kill(self):
        """The machine is gone: Patroni and PostgreSQL at once, and nobody says farewell."""
        self.child.kill()
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def accepts(self, writable):
        """Does it answer, as a primary or as a standby?"""
        try:
            found = self.query("SELECT pg_is_in_recovery() AS standby", database="postgres")
        except psycopg2.OperationalError:
            return False
        return found[0].standby is not writable

    def streams(self):
        """Does it follow a primary?"""
        return self.accepts(False) and self.query("SELECT 1 FROM pg_stat_wal_receiver"
                                                  " WHERE status = 'streaming'",
                                                  database="postgres")


class Patroni:
    """Stands for the database of a cluster: nodes are told all members."""

    def __init__(self, run, name):
        words = {user: secrets.token_urlsafe(16) for user in ("SUPERUSER", "REPLICATION", "REWIND")}
        self.run = run
        self.etcd = Etcd(run, name)
        self.members = [Member(run, f"{name}-{number}", self.etcd, words)
                        for number in range(1, MEMBERS + 1)]
        self.primary = None

    def start(self):
        self.etcd.start()
        first, *others = self.members
        first.start()
        wait_until(lambda: first.child.require_alive() or first.accepts(True), 300,
                   lambda: f"the first member is primary; {tail(self.run.log(first.name))}", 0.1)
        self.primary = first
        for each in others:
            each.start()
        for each in others:
            self.wait_follows(each)
        wait_until(self.synchronous, 180, "commits wait for a standby", 0.1)
        return self

    def wait_follows(self, member):
        wait_until(lambda: member.child.require_alive() or member.streams(), 300,
                   lambda: f"{member.name} follows; {tail(self.run.log(member.name))}", 0.1)

    def synchronous(self):
        return self.query("SELECT 1 FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')",
                          database="postgres")

    def fail_over(self):
        """Kills the primary's machine; gives it, and when another took writes."""
        dead = self.primary
        dead.kill()
        others = [each for each in self.members if each is not dead]
        self.primary = wait_until(
            lambda: next((each for each in others if each.accepts(True)), None), 180,
            "another member is primary")
        return dead, time.time()

    def switch_over(self, member):
        """Moves the primary to a member that follows, as an administrator would."""
        said = []

        def switched():
            with contextlib.suppress(Died):
                # Patroni promotes only what it knows as synchronous itself; asked too early, or when it
                # is slow to answer, it refuses.
                said.append(self.primary.control("list"))
                if not member.accepts(True) and "Sync Standby" in said[-1]:
                    said.append(self.primary.control("switchover", "holdfast", "--candidate", member.name,
                                                     "--force"))
            return member.accepts(True)
        wait_until(switched, 180, lambda: f"the other member is primary; {said[-1:]}", 0.5)
        self.primary = member

    def end(self):
        for each in self.members:
            if each.child and each.child.alive:
                each.child.stop(30)
        for each in self.etcd.children:
            each.stop()

    # --- what a cluster asks of its database ---

    def dsn(self, user, database="holdfast", port=None):
        """`port` are the ports to name instead, where something stands before the servers."""
        ports = port or [each.port for each in self.members]
        hosts = ",".join(["127.0.0.1"] * len(ports))
        return (f"host={hosts} port={','.join(map(str, ports))} dbname={quoted(database)}"
                f" user={user} passfile={quoted(self.primary.passfile)}")

    def connect(self, user="postgres", database="holdfast"):
        return self.primary.connect(user, database)

    def query(self, text, arguments=None, user="postgres", database="holdfast"):
        return self.primary.query(text, arguments, user, database)

    def create_database(self, name="holdfast"):
        return self.primary.create_database(name)

    def migrate(self, name="holdfast"):
        self.primary.migrate(name)
