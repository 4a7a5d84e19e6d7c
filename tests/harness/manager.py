"""A service manager's end of NOTIFY_SOCKET: what systemd would be told by a service."""

import contextlib
import os
import socket


class Manager:
    """Listens on a socket in `folder`, or on an abstract one. `said` is every datagram so far, each
    as {name: value}."""

    def __init__(self, folder, abstract=False):
        path = str(folder / "notify")
        self.address = f"@{path}" if abstract else path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind("\0" + path if abstract else path)
        if not abstract:
            os.chmod(path, 0o666)
        self.said = []

    def listen(self):
        """Takes in what has arrived; gives all that was said so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                text = self.socket.recv(4096).decode()
                self.said.append(dict(line.split("=", 1) for line in text.splitlines()))
        return self.said

    def heard(self, name, value="1"):
        """How many datagrams said it."""
        return sum(1 for lines in self.listen() if lines.get(name) == value)

    def forget(self):
        self.listen()
        self.said = []

    def close(self):
        self.socket.close()
