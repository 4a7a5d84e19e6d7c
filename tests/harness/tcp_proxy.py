"""A TCP proxy that stalls, slows and breaks what goes through it, by connection and direction.

"up" is from the client to the server, "down" is back. What is held waits in the proxy, and when
there is too much of it, in the buffers of the sender: nothing is lost until the proxy says so.
"""

import contextlib
import queue
import socket
import struct
import threading
import time

UP, DOWN = "up", "down"
BOTH = (UP, DOWN)
_CHUNK = 65536
_CHUNKS_HELD = 64
_OPENING = 4096
# The message of PostgreSQL that ends a request and its transaction.
SYNC = b"S\x00\x00\x00\x04"


class Connection:
    """One client and its way to the server."""

    def __init__(self, proxy, client, server):
        self.proxy = proxy
        self.sockets = {UP: client, DOWN: server}  # where each direction comes from
        self.opening = b""  # the first bytes that the client sent
        self.passed = {UP: 0, DOWN: 0}
        self.held = {UP: False, DOWN: False}
        self.delay = {UP: 0.0, DOWN: 0.0}
        self.traps = {UP: None, DOWN: None}
        self.sprung = threading.Event()  # a trap has closed: see Proxy.stall_before
        self.open = True
        self.done = set()  # directions that have come to their end

    def matches(self, text):
        """Whether the client named itself so, as application_name does in PostgreSQL's start."""
        return text is None or text.encode() in self.opening

    def start(self):
        for direction in BOTH:
            chunks = queue.Queue(_CHUNKS_HELD)
            for work in (self._read, self._write):
                threading.Thread(target=work, args=(direction, chunks), daemon=True).start()

    def _read(self, direction, chunks):
        source = self.sockets[direction]
        while True:
            try:
                data = source.recv(_CHUNK)
            except OSError:
                data = b""
            if direction == UP and len(self.opening) < _OPENING:
                self.opening += data
                self.proxy.introduce(self)
            self._put(chunks, (time.monotonic(), data))
            if not data:
                return

    def _put(self, chunks, entry):
        while self.open:
            with contextlib.suppress(queue.Full):
                chunks.put(entry, timeout=0.5)
                return
        with contextlib.suppress(queue.Full):
            chunks.put_nowait(entry)

    def _write(self, direction, chunks):
        target = self.sockets[DOWN if direction == UP else UP]
        while True:
            came, data = chunks.get()
            if data:
                data = self._through_trap(direction, data, target)
            self._wait(direction, came)
            if not data or not self.open:
                break
            try:
                target.sendall(data)
            except OSError:
                break
            self.passed[direction] += len(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        self.proxy.ended(self, direction)

    def _through_trap(self, direction, data, target):
        """Sends what stands before the trap's place; what is left waits behind it."""
        trap = self.traps[direction]
        found = trap.find(data) if trap else None
        if found is None:
            return data
        with self.proxy.changed:
            self.traps[direction] = None
            self.held[direction] = True
        with contextlib.suppress(OSError):
            target.sendall(data[:found])
        self.passed[direction] += found
        self.sprung.set()
        return data[found:]

    def _wait(self, direction, came):
        with self.proxy.changed:
            while self.open:
                due = came + self.delay[direction] - time.monotonic()
                if not self.held[direction] and due <= 0:
                    return
                self.proxy.changed.wait(None if self.held[direction] else due)

    def close(self, *, reset=False, only=None):
        """Ends it for both sides, or `only` for the one that sends UP (the client) or DOWN: the
        other goes on believing in it."""
        with self.proxy.changed:
            if only:
                self.held[only] = True
            else:
                self.open = False
            self.proxy.changed.notify_all()
        for direction, each in self.sockets.items():
            if only in (None, direction):
                with contextlib.suppress(OSError):
                    if reset:
                        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                        struct.pack("ii", 1, 0))
                    # Wakes up the thread that waits for it; what is reset says no farewell.
                    each.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
                with contextlib.suppress(OSError):
                    each.close()


class _Trap:
    """Finds `before` in a stream, once `after` has passed."""

    def __init__(self, after, before):
        self.after = after
        self.before = before
        self.armed = not after
        self.kept = b""

    def find(self, data):
        """The place in `data` where the stream is to stop, or None."""
        if not self.armed:
            whole = self.kept + data
            at = whole.find(self.after)
            if at < 0:
                self.kept = whole[-len(self.after):]
                return None
            self.armed = True
            begin = max(0, at + len(self.after) - len(self.kept))
        else:
            begin = 0
        at = data.find(self.before, begin)
        return at if at >= 0 else None


class Proxy:
    """Listens on a port of its own and connects on to `port`."""

    def __init__(self, port, *, host="127.0.0.1", listen_host="127.0.0.1"):
        self.target = (host, port)
        self.changed = threading.Condition()
        self.connections = []
        self.refusing = False
        self.rules = []  # what new connections begin with
        self.listener = socket.create_server((listen_host, 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(self.target, 5)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, client, server)
            with self.changed:
                if self.refusing:  # since we looked: whoever said so drops what is on the list
                    client.close()
                    server.close()
                    continue
                self.connections.append(connection)
                for match, change in self.rules:
                    if match is None:
                        change(connection)
            connection.start()

    def introduce(self, connection):
        """Rules for named clients begin to hold when the client has told its name."""
        with self.changed:
            for match, change in self.rules:
                if match is not None and connection.matches(match):
                    change(connection)

    def ended(self, connection, direction):
        """One direction has come to its end; with both the connection is gone."""
        with self.changed:
            connection.done.add(direction)
            if len(connection.done) < 2:
                return
            if connection in self.connections:
                self.connections.remove(connection)
        connection.close()

    def of(self, match=None):
        """The open connections of whoever named itself so."""
        with self.changed:
            return [each for each in self.connections if each.open and each.matches(match)]

    # --- faults; `match` chooses connections by what the client said first ---

    def _apply(self, match, change):
        with self.changed:
            self.rules.append((match, change))
            for each in self.connections:
                if each.matches(match):
                    change(each)
            self.changed.notify_all()

    def hold(self, directions=BOTH, match=None):
        """Nothing passes any more, nothing is closed: a network that swallows packets. Connections
        that come later are held too."""
        directions = (directions,) if isinstance(directions, str) else directions
        self._apply(match, lambda each: each.held.update({d: True for d in directions}))

    def slow(self, seconds, directions=BOTH, match=None):
        """What passes takes that much longer."""
        directions = (directions,) if isinstance(directions, str) else directions
        self._apply(match, lambda each: each.delay.update({d: seconds for d in directions}))

    def stall_before(self, before, *, after=b"", direction=UP, match=None):
        """Every open connection that matches passes on what comes until `before` turns up behind
        `after`; that and the rest waits. Gives the connections; see their `sprung`.

        With after=b"holdfast.save_checkpoints" and before=SYNC the server carries the call out and
        waits for the end of its transaction."""
        found = self.of(match)
        with self.changed:
            for each in found:
                each.sprung.clear()
                each.traps[direction] = _Trap(after, before)
        return found

    def refuse(self, refuse=True):
        """New connections are closed at once."""
        self.refusing = refuse

    def heal(self):
        """No fault any more; what was held goes on."""
        self.refusing = False
        with self.changed:
            self.rules = []
            for each in self.connections:
                each.held = {UP: False, DOWN: False}
                each.delay = {UP: 0.0, DOWN: 0.0}
                each.traps = {UP: None, DOWN: None}
            self.changed.notify_all()

    def drop(self, match=None, *, reset=False, only=None):
        """Closes connections; with `only` UP the client's side alone, so that the server believes
        in a connection that nobody holds."""
        for each in self.of(match):
            each.close(reset=reset, only=only)

    def close(self):
        # Closing alone does not wake up a thread that waits in accept().
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for each in list(self.connections):
            each.close()
