"""The hub over TLS: its own certificate authority, and the same service behind it."""

import os
import socket
import ssl
import stat
import subprocess

import pytest
from hub_client import LAB, LONG, Hub, authority, read, reader, sequences, take, wait_until
from proton import ConnectionException, ProtonException, Timeout


@pytest.fixture
def secure(tmp_path):
    running = Hub("--tls-port", "0", "--tls-dir", str(tmp_path / "tls"), "--tls-name", "hub.lab")
    running.tls = tmp_path / "tls"
    yield running
    assert running.stop() == 0


def handshake(hub, ca, name, **more):
    context = ssl.create_default_context(cafile=str(ca))
    for key, value in more.items():
        setattr(context, key, value)
    with socket.create_connection(("127.0.0.1", hub.tls_port), timeout=LONG) as raw:
        with context.wrap_socket(raw, server_hostname=name) as wrapped:
            return wrapped.version(), wrapped.getpeercert()


def test_events_are_read_and_sent_over_tls(secure):
    secure.fill(20000, devices=50)
    connection = secure.connect_tls(authority(secure.tls))
    assert read(connection, "eventhub").properties["status-code"] == 200
    last = secure.state()["partitions"][0]["last"]
    receiver = reader(connection, 0, at="offset > '-1'", credit=500)
    assert sequences(take(receiver, last + 1)) == list(range(last + 1))
    assert reader(secure.connect(), 0, at="offset > '-1'")


def test_a_large_event_passes_both_ways(secure):
    connection = secure.connect_tls(authority(secure.tls))
    secure.post("/send", device="d", partition=1, raw="x" * 700_000)
    message = take(reader(connection, 1, at="offset > '-1'"), 1)[0]
    assert bytes(message.body) == b"x" * 700_000
    sender = connection.create_sender("telemetry/Partitions/1")
    message.body = os.urandom(300_000)
    sender.send(message)
    assert secure.state()["partitions"][1]["last"] == 1


def test_the_certificate_names_who_serves(secure):
    ca = secure.tls / "ca.pem"
    for name in ("localhost", "127.0.0.1", "::1", "hub.lab"):
        version, certificate = handshake(secure, ca, name)
        assert version == "TLSv1.3"
    names = {value for _, value in certificate["subjectAltName"]}
    assert {"localhost", "hub.lab", "127.0.0.1"} <= names
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(secure, ca, "elsewhere.lab")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(secure, ssl.get_default_verify_paths().cafile, "localhost")
    old = {"maximum_version": ssl.TLSVersion.TLSv1_2}
    assert handshake(secure, ca, "localhost", **old)[0] == "TLSv1.2"


def test_a_client_that_trusts_nobody_is_refused(secure, tmp_path):
    other = Hub("--tls-port", "0", "--tls-dir", str(tmp_path / "other"))
    with pytest.raises((ConnectionException, ProtonException)):
        secure.connect_tls(authority(tmp_path / "other"), timeout=3)
    assert other.stop() == 0
    assert secure.connect_tls(authority(secure.tls))


def test_the_authority_outlives_the_process(tmp_path):
    folder = tmp_path / "tls"
    options = ("--tls-port", "0", "--tls-dir", str(folder))
    first = Hub(*options)
    ca, server = (folder / "ca.pem").read_bytes(), (folder / "server.pem").read_bytes()
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o600
    assert first.stop() == 0
    second = Hub(*options)
    assert (folder / "ca.pem").read_bytes() == ca
    assert (folder / "server.pem").read_bytes() != server
    handshake(second, folder / "ca.pem", "localhost")
    assert second.stop() == 0
    (folder / "ca.key").write_text("no key")
    third = Hub(*options)
    assert (folder / "ca.pem").read_bytes() != ca
    handshake(third, folder / "ca.pem", "localhost")
    assert third.stop() == 0


def test_strangers_on_the_tls_port_do_not_hurt(secure):
    for junk in [b"AMQP\x03\x01\x00\x00", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" * 40]:
        with socket.create_connection(("127.0.0.1", secure.tls_port), timeout=LONG) as s:
            try:
                s.sendall(junk)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass
            except OSError as error:
                assert not isinstance(error, TimeoutError)
    silent = socket.create_connection(("127.0.0.1", secure.tls_port))
    secure.connect_tls(authority(secure.tls)).close()
    silent.close()
    wait_until(lambda: secure.state()["connections"] == 0)


def test_connections_over_tls_are_dropped_too(secure):
    receiver = reader(secure.connect_tls(authority(secure.tls)))
    secure.post("/fault", kind="drop_connections")
    with pytest.raises((ConnectionException, ProtonException)) as caught:
        receiver.receive(LONG)
    assert not isinstance(caught.value, Timeout)


def test_tls_needs_its_folder(tmp_path):
    for options in (["--tls-port", "0"], ["--tls-dir", str(tmp_path)]):
        done = subprocess.run([LAB, "hub", *options], capture_output=True, text=True)
        assert done.returncode == 2 and "belong together" in done.stderr
    (tmp_path / "file").write_text("")
    options = ["--tls-port", "0", "--tls-dir", str(tmp_path / "file")]
    done = subprocess.run([LAB, "hub", *options], capture_output=True, text=True)
    assert done.returncode == 1 and "cannot" in done.stderr
