"""A PgBouncer before a PostgreSQL."""

import os
import signal

import psycopg2

from harness.postgres import free_port
from harness.process import Child
from harness.waiting import wait_until

PROGRAM = "/usr/sbin/pgbouncer"


class Pooler:
    """`mode` is session or transaction; `settings` are lines of the section [pgbouncer]."""

    def __init__(self, run, postgres, mode, user="node", **settings):
        self.run = run
        self.postgres = postgres
        self.user = user
        self.port = free_port()
        self.child = None
        folder = run.server_folder(f"pooler-{mode}-{self.port}")
        users = folder / "users.txt"
        users.write_text(f'"{user}" "{postgres.password}"\n')
        self.file = folder / "pgbouncer.ini"
        lines = ["[databases]", f"* = host=127.0.0.1 port={postgres.port}", "[pgbouncer]",
                 "listen_addr = 127.0.0.1", f"listen_port = {self.port}", "unix_socket_dir =",
                 "auth_type = scram-sha-256", f"auth_file = {users}", f"pool_mode = {mode}",
                 *(f"{name} = {value}" for name, value in settings.items())]
        self.file.write_text("\n".join(lines) + "\n")
        for path in (users, self.file):
            path.chmod(0o600)
            if postgres.user:
                os.chown(path, folder.stat().st_uid, -1)

    def start(self):
        self.child = Child("pooler", [PROGRAM, self.file], self.run.log("pooler"),
                           user=self.postgres.user, cwd="/", stop_signal=signal.SIGTERM)
        wait_until(self._listens, 30, "PgBouncer listens")
        return self

    def _listens(self):
        self.child.require_alive()
        with open(self.run.log("pooler"), encoding="utf-8", errors="replace") as log:
            return f"listening on 127.0.0.1:{self.port}" in log.read()

    def connect(self, database):
        return psycopg2.connect(host="127.0.0.1", port=self.port, dbname=database, user=self.user,
                                password=self.postgres.password)

    def stop(self):
        if self.child and self.child.alive:
            self.child.kill()
