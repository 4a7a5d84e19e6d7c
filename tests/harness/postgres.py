"""A private PostgreSQL cluster: own port, own socket folder, own data, never the system's."""

import os
import secrets
import signal
import subprocess
import tempfile

import psycopg2
import psycopg2.extras

from harness import place, ports
from harness.process import Child, Died, tail
from harness.waiting import wait_until

GROUP_ROLES = {"holdfast_migrate": "holdfast_owner", "node": "holdfast_node",
               "admin": "holdfast_admin", "reader": "holdfast_reader"}
LONGEST_SOCKET_PATH = 90
_held = []  # until this process ends


def free_port():
    """A port for a server that may go away and come back. A port that is merely free now may have been
    taken by then: by anyone's connection, even by one that tries to reach the server and reaches itself."""
    _held.append(ports.reserve())
    return ports.number(_held[-1])


def quoted(value):
    """A value of a libpq connection string."""
    text = str(value)
    if text and not any(c in text for c in " '\\"):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Postgres:
    """One server. `settings` come after server/postgresql.conf and win.

    Logins need the password of the passfile, unless `auth` is "trust": for tests that make roles
    of their own. Several servers of one run need names of their own.
    """

    def __init__(self, run, settings=None, stay=False, auth="scram-sha-256", environment=None,
                 name="postgres", initdb=()):
        """`environment` is what the server finds besides ours, `initdb` more of its arguments."""
        self.run = run
        self.name = name
        self.stay = stay
        self.environment = environment
        self.user = place.server_user()
        self.port = None
        self.child = None
        self.settings = settings or {}
        self.data = run.server_folder(name)
        self.sockets = self._socket_folder()
        self.passfile = run.path / "secrets" / ("pgpass" if name == "postgres" else name + ".pgpass")
        self.initdb_arguments = [str(argument) for argument in initdb]
        self._initdb(auth)

    def _socket_folder(self):
        folder = self.run.server_folder("socket" if self.name == "postgres" else self.name + "-s")
        if len(str(folder)) > LONGEST_SOCKET_PATH:
            folder = tempfile.mkdtemp(prefix="holdfast-")
            if self.user:
                os.chown(folder, self._uid(), -1)
            self.run.outside.append(str(folder))
            self.run.write_record()
        return folder

    def _uid(self):
        return self.data.stat().st_uid

    def _identity(self):
        if not self.user:
            return {}
        return {"user": self.user, "group": self.user, "extra_groups": []}

    def _initdb(self, auth):
        password = secrets.token_urlsafe(24)
        self.passfile.write_text(f"*:*:*:*:{password}\n")
        self.passfile.chmod(0o600)
        handed = self.data.parent / "password"
        handed.write_text(password)
        handed.chmod(0o600)
        if self.user:
            os.chown(handed, self._uid(), -1)
        try:
            done = subprocess.run(
                [place.postgres_program("initdb"), "-D", self.data, "-U", "postgres",
                 f"--auth={auth}", f"--pwfile={handed}", "--encoding=UTF8",
                 "--locale=C.UTF-8", "--no-sync", *self.initdb_arguments],
                capture_output=True, text=True, cwd="/", check=False, **self._identity())
        finally:
            handed.unlink()
        if done.returncode:
            raise Died(f"initdb failed:\n{done.stdout}{done.stderr}")
        self.password = password

    def configure(self):
        """Writes the settings; they count from the next start."""
        shipped = place.ROOT / "server/postgresql.conf"
        lines = [shipped.read_text() if shipped.exists() else "",
                 "# This cluster only:", f"port = {self.port}",
                 "listen_addresses = '127.0.0.1'",
                 f"unix_socket_directories = '{self.sockets}'", "logging_collector = off",
                 "log_destination = 'stderr'", "ssl = off", f"hba_file = '{self.data}/pg_hba.conf'"]
        lines += [f"{name} = '{value}'" for name, value in self.settings.items()]
        path = self.data / "holdfast.conf"
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o644)
        main = self.data / "postgresql.conf"
        text = main.read_text()
        if "holdfast.conf" not in text:
            main.write_text(text + "\ninclude 'holdfast.conf'\n")

    def start(self):
        """Starts it and waits until it answers; the port stays the same over restarts."""
        attempts = 1 if self.port else 5
        for attempt in range(attempts):
            self.port = self.port or free_port()
            self.configure()
            # The server's own clean-up on a lost parent is the immediate one.
            self.child = Child(self.name, [place.postgres_program("postgres"), "-D", self.data],
                               self.run.log(self.name), user=self.user, cwd=self.data,
                               stop_signal=signal.SIGINT, death_signal=signal.SIGQUIT,
                               stay=self.stay,
                               env={**os.environ, **(self.environment or {})})
            try:
                wait_until(self._answers, 180,
                           lambda: f"PostgreSQL answers; {tail(self.run.log(self.name))}")
                return self
            except Died:
                if attempt + 1 == attempts:
                    raise
                self.port = None
        return self

    def _answers(self):
        self.child.require_alive()
        try:
            self.connect("postgres", "postgres").close()
            return True
        except psycopg2.OperationalError:
            return False

    def stop(self):
        self.child.stop(60)

    def kill(self):
        """What a power cut does, but for the operating system."""
        self.child.signal(signal.SIGQUIT)
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:  # seen once, on a machine that was very busy
            subprocess.run(["pkill", "-KILL", "-P", str(self.child.pid)], check=False)
            self.child.signal(signal.SIGKILL)
            self.child.wait(60)
        self.child.forget()

    def restart(self):
        self.stop()
        self.start()

    def dsn(self, user, database="holdfast", port=None):
        """`port` when something stands before the server."""
        parts = {"host": "127.0.0.1", "port": port or self.port, "dbname": database, "user": user,
                 "passfile": self.passfile}
        return " ".join(f"{name}={quoted(value)}" for name, value in parts.items())

    def connect(self, user="postgres", database="holdfast"):
        connection = psycopg2.connect(self.dsn(user, database) + " connect_timeout=60")
        connection.autocommit = True
        return connection

    def query(self, text, arguments=None, user="postgres", database="holdfast"):
        """Runs one statement on a connection of its own; gives the rows as named tuples."""
        connection = self.connect(user, database)
        try:
            return rows(connection, text, arguments)
        finally:
            connection.close()

    def psql_file(self, path, database="holdfast"):
        done = subprocess.run(
            [place.postgres_program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", path,
             self.dsn("postgres", database)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Died(f"psql -f {path} failed:\n{done.stdout}{done.stderr}")

    def create_database(self, name="holdfast"):
        """An empty database with the roles, ready for `holdfast migrate`."""
        self.query(f'CREATE DATABASE "{name}"', database="postgres")
        self.psql_file(place.ROOT / "server/roles.sql", name)
        for user, group in GROUP_ROLES.items():
            if not self.query("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,), database=name):
                self.query(f"CREATE ROLE {user} LOGIN PASSWORD %s IN ROLE {group}",
                           (self.password,), database=name)
        return name

    def migrate(self, name="holdfast"):
        done = subprocess.run(
            [place.program("holdfast"), "migrate"], capture_output=True, text=True, check=False,
            env={**os.environ, "HOLDFAST_DATABASE": self.dsn("holdfast_migrate", name),
                 "HOLDFAST_SQL_DIR": str(place.ROOT)})
        if done.returncode:
            raise Died(f"holdfast migrate failed:\n{done.stdout}{done.stderr}")


def rows(connection, text, arguments=None):
    """Runs one statement; gives its rows as named tuples."""
    with connection.cursor(cursor_factory=psycopg2.extras.NamedTupleCursor) as cursor:
        cursor.execute(text, arguments)
        return cursor.fetchall() if cursor.description else []
