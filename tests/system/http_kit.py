"""A peer of a node's HTTP port that can be as slow and as odd as a test needs it."""

import socket
from http.client import HTTPException

from harness import http
from harness.node import Node
from harness.waiting import wait_until

NOWHERE = "host=127.0.0.1 port=1 dbname=none user=none"
ASK = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Answer:
    """status, headers (lower case) and body."""

    def __init__(self, head, body):
        first, *fields = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value.strip()
                        for name, value in (field.split(":", 1) for field in fields)}
        self.body = body


class Peer:
    """One connection; `source` is the address that it comes from."""

    def __init__(self, node, source=None, receive_buffer=None, address=None):
        self.socket = socket.socket()
        self.socket.settimeout(60)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((address or "127.0.0.1", node.port))
        self.bytes = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def _more(self):
        data = self.socket.recv(65536)
        self.bytes += data
        return data

    def answer(self, body=True):
        """The next answer."""
        while b"\r\n\r\n" not in self.bytes:
            assert self._more(), f"it closed after {self.bytes!r}"
        head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        found = Answer(head, b"")
        size = int(found.headers["content-length"]) if body else 0
        while len(self.bytes) < size:
            assert self._more(), "it closed in the middle of an answer"
        found.body, self.bytes = self.bytes[:size], self.bytes[size:]
        return found

    def ask(self, path="/metrics"):
        self.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return self.answer()

    def ends(self):
        """Whether the node ends it without another word; waits for that."""
        try:
            return self._more() == b"" and self.bytes == b""
        except ConnectionResetError:
            return True

    def is_open(self):
        """Whether it still stands: nothing has come, not even an end."""
        self.socket.setblocking(False)
        try:
            return self.socket.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        finally:
            self.socket.settimeout(60)


def lonely_node(run, name, *arguments, address="127.0.0.1"):
    """A node without a database: its HTTP port is all that works."""
    node = Node(run.part(name), name, NOWHERE, arguments)
    node.address = address
    node.start(wait=False)
    return node.wait_listening()


def refused(node, reason):
    """How many were turned away for that reason, asked on a fresh connection."""
    found = http.metrics(f"http://127.0.0.1:{node.port}/metrics")
    return found["holdfast_http_refused_total"][f'reason="{reason}"']


def refused_so_far(node, reason):
    """The same of a node that is impatient: who asks too slowly itself is let go, and asks again."""
    try:
        return refused(node, reason)
    except (OSError, RuntimeError, HTTPException):
        return 0


def wait_refused(node, reason, count=1):
    wait_until(lambda: refused_so_far(node, reason) >= count, 60, f"{count} refused: {reason}")
