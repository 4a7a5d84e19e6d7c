"""The HTTP port against peers that are slow, greedy or odd. No database is there: the port needs none."""

import contextlib
import resource
import socket

import pytest
from http_kit import ASK, Peer, lonely_node, refused, refused_so_far, wait_refused

from harness.waiting import wait_until

SHORT = "300"
# A test whose own process has to wait shall not be let go for it.
PATIENT = [word for limit in ("head", "idle", "stall", "request")
           for word in (f"--http-{limit}-ms", "300000")]


@pytest.fixture(name="make_node")
def _make_node(request, run):
    made = []

    def make(*arguments):
        made.append(lonely_node(run, f"{request.node.name}_{len(made)}", *PATIENT, *arguments))
        return made[-1]

    yield make
    for node in made:
        node.kill()


HOST = b"Host: localhost\r\n"
ODD = {
    "method": (405, b"POST /metrics HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc"),
    "unknown method": (405, b"FETCH / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "tunnel": (405, b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "body": (413, b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n\r\nabcd"),
    "chunks": (400, b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "two lengths": (400, b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\ncontent-length: 0\r\n\r\n"),
    "two hosts": (400, b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n"),
    "no host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "bare line feed": (400, b"GET / HTTP/1.1\r\n" + HOST + b"X: a\n\r\n"),
    "folded": (400, b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n"),
    "blank before colon": (400, b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n"),
    "absolute target": (400, b"GET http://localhost/ HTTP/1.1\r\n" + HOST + b"\r\n"),
    "expects": (417, b"GET / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n\r\n"),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"),
    "HTTP/2": (405, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/3": (505, b"GET / HTTP/3.0\r\n\r\n"),
    "long target": (414, b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    "long field": (431, b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 9000 + b"\r\n\r\n"),
    "endless head": (431, b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 50 + b"Y:" + b"b" * 200000),
    "many fields": (431, b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 100 + b"\r\n"),
}


def test_what_is_odd_is_refused_and_ends_its_connection(make_node):
    node = make_node()
    for what, (status, data) in ODD.items():
        with Peer(node) as peer:
            with contextlib.suppress(ConnectionError):
                peer.send(data)
            answer = peer.answer()
            assert answer.status == status, what
            assert answer.headers["connection"] == "close", what
            assert peer.ends(), what
    sizes = sum(status in (413, 414, 431) for status, _ in ODD.values())
    methods = sum(status == 405 for status, _ in ODD.values())
    assert refused(node, "too_large") == sizes
    assert refused(node, "method") == methods
    assert refused(node, "malformed") == len(ODD) - sizes - methods


def test_one_request_after_the_other_on_one_connection(make_node):
    node = make_node()
    with Peer(node) as peer:
        assert peer.ask("/healthz").body == b"ok\n"
        peer.send(b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = peer.answer(body=False)
        assert (head.status, head.headers["content-length"], peer.bytes) == (200, "3", b"")
        for byte in ASK:  # however it is cut
            peer.send(bytes([byte]))
        assert b"holdfast_http_connections 1\n" in peer.answer().body
        peer.send(ASK * 20)  # and many at once
        assert [peer.answer().status for _ in range(20)] == [200] * 20
        peer.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" + ASK)
        assert peer.answer().headers["connection"] == "close"
        assert peer.ends()


def test_browsers_get_no_foothold(make_node):
    node = make_node("--http-hosts", "plant.example.com")
    with Peer(node) as peer:
        for name, status in (("evil.example.com", 421), ("localhost", 200), ("127.0.0.1:1", 200),
                             ("[::1]", 200), (node.name, 200), ("plant.example.com:443", 200)):
            peer.send(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            answer = peer.answer()
            assert answer.status == status, name
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'") and "unsafe" not in policy
            assert "access-control-allow-origin" not in answer.headers
    assert refused(node, "host") == 1


def test_who_asks_too_slowly_is_let_go(make_node):
    node = make_node("--http-head-ms", SHORT)

    def told():
        with Peer(node) as half, contextlib.suppress(AssertionError, ConnectionError):
            half.send(ASK[:20])  # unless it comes too late for that
            return half.answer().status == 408 and half.ends()

    wait_until(told, 60, "a peer with half a request is told, and let go")
    with Peer(node) as silent, Peer(node) as trickling:
        # A byte now and then does not make it any longer.
        with contextlib.suppress(ConnectionError):
            wait_until(lambda: not trickling.send(b"G").is_open(), 60, "the trickling peer is let go")
        assert silent.ends()
    wait_refused(node, "slow_request", 3)


def test_who_does_not_ask_again_is_let_go(make_node):
    node = make_node("--http-idle-ms", SHORT)
    with Peer(node) as peer:
        assert peer.ask().status == 200
        assert peer.ends()
    assert refused(node, "slow_request") == 0


def stuff(peer):
    """Asks without taking the answers, until the node can send no more: then it does not read
    either, and there is no room for another request. Or until it is let go for that already."""
    peer.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError, ConnectionError):
        while True:
            peer.socket.send(ASK * 100)
    peer.socket.settimeout(60)


def test_who_takes_no_answer_is_let_go_and_holds_nobody_up(make_node):
    node = make_node("--http-stall-ms", SHORT)
    peers = [Peer(node, receive_buffer=4096) for _ in range(8)]
    for peer in peers:
        stuff(peer)
    wait_refused(node, "slow_reader", 8)  # asked over and over again, and answered each time
    for peer in peers:
        peer.socket.close()


def test_who_takes_a_byte_at_a_time_is_let_go(make_node):
    node = make_node("--http-request-ms", "1500")
    with Peer(node, receive_buffer=4096) as peer:
        stuff(peer)

        def let_go():
            with contextlib.suppress(ConnectionError, BlockingIOError):
                peer.socket.recv(200, socket.MSG_DONTWAIT)
            return refused_so_far(node, "slow_reader")
        wait_until(let_go, 60, "the peer that takes little is let go")


def test_a_newcomer_takes_the_place_of_its_own_oldest(make_node):
    node = make_node("--http-connections", "7", "--http-connections-per-peer", "3")
    with contextlib.ExitStack() as stack:
        mine = [stack.enter_context(Peer(node)) for _ in range(3)]
        assert mine[1].ask().status == 200  # between two requests: it goes first
        others = [stack.enter_context(Peer(node, source="127.0.0.2")) for _ in range(3)]
        wait_until(lambda: b"connections 6\n" in mine[1].ask().body, 60, "six connections")
        newcomer = stack.enter_context(Peer(node))
        assert newcomer.ask().status == 200
        assert mine[1].ends()
        assert mine[0].is_open() and mine[2].is_open() and all(peer.is_open() for peer in others)
        # Somebody else finds everything taken; who has most makes room.
        filler = stack.enter_context(Peer(node, source="127.0.0.6"))
        assert filler.ask().status == 200
        third = stack.enter_context(Peer(node, source="127.0.0.3"))
        assert third.ask().status == 200
        fourth = stack.enter_context(Peer(node, source="127.0.0.4"))
        assert fourth.ask().status == 200
        assert third.is_open() and filler.is_open()
        assert sum(peer.is_open() for peer in (mine[0], mine[2], newcomer)) == 2
        assert sum(peer.is_open() for peer in others) == 2
        assert b'refused_total{reason="crowded"} 3\n' in fourth.ask().body


def test_a_flood_of_slow_peers_starves_nobody(make_node):
    node = make_node("--http-connections", "16", "--http-connections-per-peer", "8")
    with Peer(node, source="127.0.0.9") as prometheus, contextlib.ExitStack() as stack:
        for _round in range(40):
            for last in range(1, 6):
                slow = stack.enter_context(Peer(node, source=f"127.0.0.{last}"))
                slow.send(ASK[:-2])
            assert prometheus.ask().status == 200
        assert prometheus.is_open()
        # One that has asked whole is answered before anybody can take its place.
        assert refused(node, "crowded") >= 200 - 16


def test_without_descriptors_it_waits(make_node):
    node = make_node()
    with Peer(node) as old, contextlib.ExitStack() as stack:
        assert old.ask().status == 200
        before = resource.prlimit(node.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        waiting = stack.enter_context(Peer(node)).send(ASK)
        for _ in range(3):  # the loop has turned, and has not accepted
            assert old.ask("/healthz").status == 200
        assert waiting.is_open() and waiting.bytes == b""
        resource.prlimit(node.pid, resource.RLIMIT_NOFILE, before)
        assert waiting.answer().status == 200


def own_address():
    """An address of this machine that is not on the loopback; None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return probe.getsockname()[0]


def test_the_page_is_for_the_machine_itself_unless_told_otherwise(make_node):
    far = own_address()
    if far is None or far.startswith("127."):
        pytest.skip("this machine has no address besides the loopback")
    for choice, (near_status, far_status) in {"loopback": (200, 403), "all": (200, 200),
                                              "none": (404, 404)}.items():
        node = make_node("--status-page", choice, "--http-address", "0.0.0.0")
        with Peer(node) as near, Peer(node, address=far) as distant:
            for path in ("/", "/fragment"):
                assert near.ask(path).status == near_status
                assert distant.ask(path).status == far_status
            assert near.ask().status == distant.ask().status == 200


def test_a_node_that_stops_lets_everybody_go(make_node):
    node = make_node()
    with Peer(node) as peer:
        assert peer.ask().status == 200
        assert node.stop() == 0
        assert peer.ends()
