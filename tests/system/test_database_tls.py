"""TLS to the database: who is not verified gets nothing, every failure says what to do, and a node
comes back when the certificate is mended. The server stands at 127.0.0.1 under the name of another
machine, so that the defaults for other machines are at work."""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from database_kit import sessions
from harness import place
from harness.tls_front import Authority
from harness.waiting import wait_until

NAME = "db.test"
SSL_REQUEST = bytes([0, 0, 0, 8, 4, 210, 22, 47])
TTL = ["--ttl-ms", 2000]


class SecureServer:
    """A PostgreSQL with TLS, whose certificate is changed while it runs."""

    def __init__(self, postgres):
        self.postgres = postgres
        self.folder = postgres.run.path / "tls"
        self.folder.mkdir()
        self.authority = Authority(self.folder)
        self.good = self.authority.issue("good", f"DNS:{NAME}")
        self.serve(*self.good)

    def serve(self, certificate, key):
        for path, name in ((certificate, "server.crt"), (key, "server.key")):
            to = self.postgres.data / name
            shutil.copyfile(path, to)
            to.chmod(0o600)
            owner = self.postgres.data.stat()
            os.chown(to, owner.st_uid, owner.st_gid)
        self.set(ssl="on", log_connections="on")
        wanted = ssl.PEM_cert_to_DER_cert(certificate.read_text())
        wait_until(lambda: self._served() == wanted, 60, "the server shows its new certificate")

    def set(self, **settings):
        self.postgres.settings.update(settings)
        self.postgres.configure()
        self.postgres.child.signal(signal.SIGHUP)

    def _served(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.postgres.port), timeout=10) as raw:
            raw.sendall(SSL_REQUEST)
            if raw.recv(1) != b"S":
                return None
            with context.wrap_socket(raw) as wrapped:
                return wrapped.getpeercert(binary_form=True)

    def dsn(self, user, authority=None, **more):
        more = {"sslrootcert": (authority or self.authority).certificate, **more}
        return (self.postgres.dsn(user).replace("host=127.0.0.1", f"host={NAME} hostaddr=127.0.0.1")
                + "".join(f" {name}={value}" for name, value in more.items()))

    def let_in(self):
        """How many connections got as far as to be let in, or to be asked for a password."""
        text = self.postgres.run.log(self.postgres.name).read_text(errors="replace")
        return sum(text.count(words) for words in ("connection authenticated", "authorized",
                                                   "password authentication", "no password"))


@pytest.fixture(name="server")
def _server(make_postgres):
    postgres = make_postgres()
    postgres.create_database()
    postgres.migrate()
    return SecureServer(postgres)


def check(dsn):
    """`holdfast migrate --check`: connects once. (exit status, what it says)"""
    done = subprocess.run([place.program("holdfast"), "migrate", "--check"], capture_output=True,
                          text=True, check=False, timeout=300,
                          env={**os.environ, "HOLDFAST_DATABASE": dsn,
                               "HOLDFAST_SQL_DIR": str(place.ROOT)})
    return done.returncode, done.stdout + done.stderr


def test_who_is_not_verified_gets_nothing(server):
    """Without a word about TLS in the connection string, and whatever the certificate lacks."""
    stranger = Authority(server.folder, "stranger")
    status, text = check(server.dsn("holdfast_migrate"))
    assert status == 0, text
    before = server.let_in()
    assert before > 0
    for kind, certificate, authority, words in [
            ("unknown", server.good, stranger, "certificate verify failed"),
            ("wrong name", server.authority.issue("wrong", "DNS:elsewhere.test"), None,
             "does not match host name"),
            ("expired", server.authority.issue("old", f"DNS:{NAME}", days=-1), None,
             "certificate verify failed"),
            ("not yet valid", server.authority.issue("early", f"DNS:{NAME}", starts=2), None,
             "certificate verify failed")]:
        server.serve(*certificate)
        status, text = check(server.dsn("holdfast_migrate", authority))
        assert status == 1 and words in text and "hint=" in text, f"{kind}: {text}"
        assert "nothing was sent" in text.lower(), f"{kind}: {text}"
    assert server.let_in() == before
    server.serve(*server.good)
    assert check(server.dsn("holdfast_migrate"))[0] == 0
    # what the operator says counts, and is talked about
    status, text = check(server.dsn("holdfast_migrate", stranger, sslmode="disable"))
    assert status == 0 and "can be tampered with" in text and "sslmode=disable" in text, text


class Stripper:
    """Sits between and says that there is no TLS; then asks for the password, in plain text."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                client.settimeout(10)
                heard = bytearray()
                self.heard.append(heard)
                with contextlib.suppress(OSError), client:
                    while data := client.recv(4096):
                        heard += data
                        asks = data == SSL_REQUEST
                        client.sendall(b"N" if asks else b"R\0\0\0\x08\0\0\0\x03")


@pytest.mark.parametrize("mode", ["", " sslmode=prefer", " sslmode=allow", " sslmode=require"])
def test_whoever_says_that_there_is_no_tls_gets_nothing(mode):
    stripper = Stripper()
    status, text = check(f"host={NAME} hostaddr=127.0.0.1 port={stripper.port} dbname=x user=u"
                         f" password=hunter2{mode}")
    assert status == 1 and "does not support SSL" in text and "hint=" in text, text
    assert [bytes(heard) for heard in stripper.heard] == [SSL_REQUEST]
    assert "hunter2" not in text
    stripper.listener.close()


def test_a_node_says_what_is_wrong_and_comes_back(make_cluster, server):
    cluster = make_cluster(nodes=1, started=False, own_postgres=server.postgres)
    cluster.prepare()
    cluster.configure()
    dsn = server.dsn("node").replace("dbname=holdfast", f"dbname={cluster.database}")
    server.serve(*server.authority.issue("old", f"DNS:{NAME}", days=-1))
    before = server.let_in()
    cluster.postgres.dsn, plain = lambda *_a, **_k: dsn, cluster.postgres.dsn
    try:
        node = cluster.add_node("node-1", wait=False, arguments=TTL)
    finally:
        cluster.postgres.dsn = plain

    def said(words):
        return words in node.log.read_text(errors="replace")

    wait_until(lambda: said("certificate has expired"), 60, "the node says what is wrong")
    server.serve(*server.authority.issue("early", f"DNS:{NAME}", starts=2))
    wait_until(lambda: said("certificate is not yet valid"), 60, "and what is wrong now")
    assert server.let_in() == before
    server.serve(*server.good)
    node.wait_ready()
    (row,) = cluster.query("SELECT bool_and(s.ssl) AS ssl FROM pg_stat_ssl s"
                           " JOIN pg_stat_activity a USING (pid) WHERE a.usename = 'node'")
    assert row.ssl
    # a certificate that is replaced under a live session disturbs nobody
    server.serve(*server.authority.issue("newer", f"DNS:{NAME}"))
    wait_until(node.ready, 60, "it is ready")
    # and its authority, whose file is read for every connection
    first = sessions(cluster)["node-1"]
    successor = Authority(server.folder, "successor")
    server.authority.certificate.write_text(server.authority.pem + successor.pem)
    server.serve(*successor.issue("newest", f"DNS:{NAME}"))
    cluster.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'node'")
    wait_until(lambda: sessions(cluster).get("node-1", first) > first, 60, "it has joined again")
    node.wait_ready()
    assert node.stop() == 0
