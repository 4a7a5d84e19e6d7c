"""A primary and a standby that follows it by streaming replication, and what befalls them."""

import os
import subprocess

from harness import place
from harness.postgres import Postgres, quoted
from harness.process import Died
from harness.waiting import wait_until


class Standby(Postgres):
    """Begun as a copy of `primary`, which must run."""

    def __init__(self, run, primary, name, settings=None):
        self.primary = primary
        super().__init__(run, settings=settings, name=name)

    def _initdb(self, auth):
        """Takes a copy instead; the connection of the walreceiver stands in it."""
        self.password = self.primary.password
        self.passfile.write_text(f"*:*:*:*:{self.password}\n")
        self.passfile.chmod(0o600)
        self._run("pg_basebackup", "-D", self.data, "-X", "stream", "-c", "fast", "--no-sync",
                  "-R", "-d", self.source(self.primary))

    def source(self, server):
        """How to reach another server; the password goes by the environment."""
        return f"host=127.0.0.1 port={server.port} user=postgres application_name={self.name}"

    def _run(self, program, *arguments):
        done = subprocess.run([place.postgres_program(program), *map(str, arguments)],
                              capture_output=True, text=True, check=False, cwd="/",
                              env={**os.environ, "PGPASSWORD": self.password}, **self._identity())
        if done.returncode:
            raise Died(f"{program} failed:\n{done.stdout}{done.stderr}")

    def promote(self):
        """It takes writes when this returns."""
        assert self.query("SELECT pg_promote(true, 300) AS done", database="postgres")[0].done

    def cut_off(self):
        """What the primary commits from now on does not arrive any more."""
        self.follow_nobody()
        wait_until(lambda: not self.query("SELECT 1 FROM pg_stat_wal_receiver",
                                          database="postgres"), 60, "the walreceiver ends")

    def follow_nobody(self):
        self.query("ALTER SYSTEM SET primary_conninfo = ''", database="postgres")
        self.query("SELECT pg_reload_conf()", database="postgres")


class Pair:
    """Stands for the database of a cluster: nodes are told both hosts, the old primary first."""

    def __init__(self, run, name, synchronous, settings=None):
        # The machine itself does not crash here: waiting for its disk would only cost time.
        settings = {"fsync": "off", **(settings or {})}
        self.run = run
        self.old = Postgres(run, settings=settings, name=name + "-a")
        self.old.start()
        self.new = Standby(run, self.old, name + "-b", settings)
        self.new.start()
        self.primary = self.old
        self.wait_streaming()
        if synchronous:
            self.old.query(f"ALTER SYSTEM SET synchronous_standby_names = '\"{self.new.name}\"'",
                           database="postgres")
            self.old.query("SELECT pg_reload_conf()", database="postgres")
            wait_until(lambda: self.standby_state() == "sync", 60, "the standby is synchronous")

    def standby_state(self):
        """sync or async; None while no standby streams."""
        found = self.old.query("SELECT sync_state FROM pg_stat_replication"
                               " WHERE state = 'streaming'", database="postgres")
        return found[0].sync_state if found else None

    def wait_streaming(self):
        wait_until(self.standby_state, 60, "the standby follows")

    def wait_caught_up(self):
        """Until the standby has all that the primary has written up to now."""
        end = self.old.query("SELECT pg_current_wal_lsn() AS lsn", database="postgres")[0].lsn
        wait_until(lambda: self.new.query("SELECT pg_last_wal_receive_lsn() >= %s::pg_lsn AS got",
                                          (end,), database="postgres")[0].got,
                   60, "the standby has caught up")

    def promote(self):
        self.new.promote()
        self.primary = self.new

    def rewind_old(self):
        """The old primary, stopped before, becomes a standby of the new one."""
        rewound = Standby.__new__(Standby)
        rewound.__dict__.update(self.old.__dict__)
        rewound.primary = self.new
        rewound._run("pg_rewind", "-D", rewound.data, "-R",
                     "--source-server=" + rewound.source(self.new) + " dbname=postgres")
        rewound.start()
        self.old = rewound
        return rewound

    def end(self):
        for server in (self.new, self.old):
            if server.child and server.child.alive:
                server.child.kill()

    # --- what a cluster asks of its database ---

    def dsn(self, user, database="holdfast", port=None):
        """`port` are the ports to name instead, where something stands before the servers."""
        ports = port or (self.old.port, self.new.port)
        hosts = ",".join(["127.0.0.1"] * len(ports))
        return (f"host={hosts} port={','.join(map(str, ports))} dbname={quoted(database)}"
                f" user={user} passfile={quoted(self.old.passfile)}")

    def connect(self, user="postgres", database="holdfast"):
        return self.primary.connect(user, database)

    def query(self, text, arguments=None, user="postgres", database="holdfast"):
        return self.primary.query(text, arguments, user, database)

    def create_database(self, name="holdfast"):
        return self.primary.create_database(name)

    def migrate(self, name="holdfast"):
        self.primary.migrate(name)
