"""TLS to the hub, and secrets that are replaced while nodes run: who is not verified gets nothing, the
failure says what to do, and what is mended is found without a restart."""

import base64
import contextlib
import re
import secrets
import signal
import socket
import threading

import pytest
from source_kit import KEY, Hub, Source

from harness.tls_front import Authority, TlsFront
from harness.waiting import wait_until
from proof import end, settle

RATE = 300


@pytest.fixture(name="hub")
def _hub(tmp_path):
    hub = Hub(tmp_path)
    yield hub
    hub.stop()


def string(port):
    return (f"Endpoint=sb://localhost:{port}/;SharedAccessKeyName=holdfast;SharedAccessKey={KEY};"
            "EntityPath=telemetry")


def test_a_hub_that_is_not_verified_gets_nothing(hub, tmp_path):
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    good = authority.issue("good", "DNS:localhost")
    front = TlsFront(("127.0.0.1", hub.ports["amqp_port"]), *good)
    for certificate, words in [
            (stranger.issue("unknown", "DNS:localhost"), "issuer"),
            (authority.issue("wrong", "DNS:elsewhere.test"), "ostname mismatch"),
            (authority.issue("old", "DNS:localhost", days=-1), "has expired"),
            (authority.issue("early", "DNS:localhost", starts=2), "not yet valid")]:
        front.set_certificate(*certificate)
        source = Source(string(front.port), authority=authority.certificate)
        line = source.expect("down")
        assert "is not trusted" in line and words in line, line
        assert hub.ask("/state")["connections"] == 0
        front.set_certificate(*good)
        source.up()  # by itself, when the certificate is mended
        source.quit()
        wait_until(lambda: hub.ask("/state")["connections"] == 0, 60, "it has gone")
    front.close()


def test_whoever_speaks_no_tls_hears_no_secret():
    """It answers as a hub without TLS would; what it was sent is the beginning of a handshake."""
    heard = bytearray()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                client.settimeout(10)
                with contextlib.suppress(OSError), client:
                    client.sendall(b"AMQP\x03\x01\x00\x00")
                    while data := client.recv(4096):
                        heard.extend(data)

    threading.Thread(target=serve, daemon=True).start()
    source = Source(string(listener.getsockname()[1]))
    line = source.expect("down")
    assert "cannot agree on TLS" in line
    wait_until(lambda: len(heard) >= 2, 60, "what it was sent is heard")
    source.quit()
    listener.close()
    assert heard[:2] == b"\x16\x03" and b"AMQP" not in heard and b"holdfast" not in heard


def replace(cluster, name, text):
    """As an operator should: whole, by rename. The nodes would look within ten seconds."""
    path = cluster.run.path / "secrets" / name
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(path)
    for node in cluster.nodes.values():
        node.signal(signal.SIGHUP)


def logged(cluster, words):
    return cluster.nodes["node-1"].log.read_text(errors="replace").count(words)


def test_authorities_are_replaced_without_a_restart(make_cluster, tmp_path):
    """One that cannot be read and one that does not vouch leave the hub unread, with the reason; the
    right one is found. System authorities are no substitute for the ones that are named."""
    cluster = make_cluster(nodes=1, partitions=2, form="tls", started=False)
    cluster.prepare()
    right = cluster.hub.ca
    path = cluster.run.path / "secrets" / "demo-hub-ca"
    path.write_text("no certificate")
    cluster.configure()
    cluster.add_node("node-1")
    wait_until(lambda: logged(cluster, "cannot read the certificates to trust"), 60, "it says so")
    replace(cluster, "demo-hub-ca", Authority(tmp_path, "stranger").pem)
    wait_until(lambda: logged(cluster, "is not trusted"), 60, "a stranger vouches for nothing")
    replace(cluster, "demo-hub-ca", right)
    cluster.wait_balanced()
    cluster.hub.generate(rate=RATE)
    wait_until(cluster.checkpoints, 60, "the right one is found and events are delivered")
    # and once more while events flow
    before = logged(cluster, "connected to the hub")
    replace(cluster, "demo-hub-ca", right + right)
    wait_until(lambda: logged(cluster, "connected to the hub") > before, 60, "it connects anew")
    settle(cluster, duplicates=0)
    end(cluster)


@pytest.mark.parametrize("first", ["hub", "node"])
def test_the_key_of_the_policy_is_replaced_without_a_restart(make_cluster, first):
    """Whichever of the two learns it first: the other way round, a wrong key is refused for a while."""
    cluster = make_cluster(nodes=1, partitions=2)
    cluster.hub.generate(rate=RATE)
    wait_until(cluster.checkpoints, 60, "events are delivered")
    old = cluster.hub.key
    cluster.hub.key = base64.b64encode(secrets.token_bytes(32)).decode()
    cluster.hub.key_file.write_text(cluster.hub.key)
    refused = r"refuses our token.*hint="
    text = cluster.hub.connection_string
    if first == "node":
        replace(cluster, "demo-hub", text)
    else:
        cluster.hub.restart()
    wait_until(lambda: re.search(refused, cluster.nodes["node-1"].log.read_text(errors="replace")),
               60, "the wrong key is refused, with a hint")
    if first == "node":
        cluster.hub.restart()
    else:
        replace(cluster, "demo-hub", text)
    cluster.hub.generate(rate=RATE)
    accepted = cluster.thingworx.state()["accepted_values"]
    wait_until(lambda: cluster.thingworx.state()["accepted_values"] > accepted, 60,
               "events are delivered again")
    log = cluster.nodes["node-1"].log.read_text(errors="replace")
    assert old not in log and cluster.hub.key not in log
    settle(cluster, duplicates=0)
    end(cluster)
