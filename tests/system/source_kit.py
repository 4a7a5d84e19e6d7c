"""The lab's hub, and a program around the Event Hubs source (drivers/source_driver.c) that is
driven line by line.

HOLDFAST_LAB and SOURCE_DRIVER name the two programs; without them they are looked for in the
build folder HOLDFAST_BUILD.
"""

import json
import math
import os
import pathlib
import queue
import socket
import subprocess
import threading
import time
import urllib.request

from harness import ports
from harness.waiting import TimedOut

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOLDFAST_BUILD") or ROOT / "build/release")
LAB = os.environ.get("HOLDFAST_LAB") or BUILD / "tests/lab/holdfast-lab"
DRIVER = os.environ.get("SOURCE_DRIVER") or BUILD / "tests/system/drivers/source-driver"
KEY = "bm90LWRlY29kZWQ="
LONG = 60
FOR_EVER = 600  # seconds of a fault that the test lifts


class Hub:
    """A hub of the lab; its ports and its logs survive a restart."""

    def __init__(self, folder, *options):
        self.folder = folder
        self.options = options
        (folder / "key").write_text(KEY)
        self.held = {name: ports.reserve() for name in ("amqp_port", "control_port")}
        self.ports = {name: ports.number(held) for name, held in self.held.items()}
        self.start()

    def start(self):
        with open(self.folder / "hub.log", "ab") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(
                [str(part) for part in (
                    LAB, "hub", "--exit-with-parent", "--port", self.ports["amqp_port"],
                    "--control-port", self.ports["control_port"], "--partitions", 4,
                    "--data", self.folder / "data", "--key-file", self.folder / "key",
                    *self.options)],
                stdout=subprocess.PIPE, stderr=log)
        self.ports = json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.terminate()
        assert self.process.wait(LONG) == 0

    def ask(self, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports['control_port']}{path}",
            data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=LONG) as answer:
            return json.loads(answer.read())

    def send(self, partition=0, count=1, **event):
        event.setdefault("body", {"a": 1})
        if "raw" in event:
            del event["body"]
        self.ask("/send", {"device": "d1", "partition": partition, "count": count, **event})

    def fault(self, **what):
        self.ask("/fault", what)

    def lift(self, **what):
        """Ends a fault that goes on for a time."""
        self.fault(**what, seconds=0)

    @property
    def authority(self):
        """The certificate authority of a hub with TLS."""
        return self.folder / "tls" / "ca.pem"

    def connection_string(self, host="127.0.0.1", key=KEY, hub="telemetry", port=None):
        return (f"Endpoint=sb://{host}:{port or self.ports['amqp_port']}/;SharedAccessKeyName=holdfast;"
                f"SharedAccessKey={key};EntityPath={hub};UseDevelopmentEmulator=true")

    def secure_string(self, host="localhost", port=None):
        return (f"Endpoint=sb://{host}:{port or self.ports['tls_port']}/;SharedAccessKeyName="
                f"holdfast;SharedAccessKey={KEY};EntityPath=telemetry")

    def service_string(self, key=KEY, host="localhost"):
        return (f"HostName={host}:{self.ports['tls_port']};SharedAccessKeyName=holdfast;"
                f"SharedAccessKey={key}")


class Source:
    """A source-driver: lines in, lines out."""

    def __init__(self, connection, *options, node="driver", authority=None,
                 proxy=None):
        self.began = time.monotonic()
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            [str(DRIVER), *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
            env={**os.environ, "SOURCE_CONNECTION": connection, "SOURCE_NODE": node,
                 **({"SOURCE_CA_FILE": str(authority)} if authority else {}),
                 **({"SOURCE_PROXY": proxy} if proxy else {})})
        self.lines = queue.Queue()
        self.log = []
        self.threads = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=self._read_log, daemon=True)]
        for thread in self.threads:
            thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def _read_log(self):
        self.log.extend(self.process.stderr)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def next(self, timeout=LONG):
        try:
            return self.lines.get(timeout=timeout)
        except queue.Empty:
            raise TimedOut(f"the driver says nothing; its log: {self.log}") from None

    def expect(self, start, timeout=LONG):
        """The next line that begins so; what comes before it is passed over."""
        deadline = time.monotonic() + timeout
        passed = []
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise TimedOut(f"no '{start}', but {passed}; log: {self.log}") from None
            if line.startswith(start):
                return line
            passed.append(line)

    def silent(self, seconds):
        """What it says meanwhile: nothing, if all is well."""
        time.sleep(seconds)
        said = []
        while not self.lines.empty():
            said.append(self.lines.get())
        return said

    def is_refused_with_patience(self, seconds):
        """It says only why it is down, and is not in a hurry."""
        assert all(text.startswith("down") for text in self.silent(seconds))
        assert self.counters()["failures"] <= self.most_refusals(time.monotonic())

    def most_refusals(self, until):
        """How often it may have been refused by then: the next try comes after 1 s at least, then
        after 2 s, 4 s ..."""
        return 1 + int(math.log2(1 + until - self.began))

    def messages(self, count):
        """The next lines, which are that many messages, as dictionaries."""
        found = []
        for _ in range(count):
            line = self.next()
            word = line.split(" ", 8)
            assert word[0] == "message", line
            found.append({"partition": word[1], "sequence": int(word[2]), "offset": word[3],
                          "device": word[5], "last": int(word[6]), "bytes": int(word[7]),
                          "body": word[8]})
        return found

    def counters(self):
        self.say("counters")
        return self.counters_of(self.expect("counters"))

    @staticmethod
    def counters_of(line):
        return {name: int(value) for name, value in (
            part.split("=") for part in line.split()[1:])}

    def up(self):
        self.expect("up")
        return self

    def read(self, partition=0, token=1, position="earliest", credit=100):
        self.say(f"read {partition} {token} {position} {credit}")
        assert self.expect(f"opened {partition}")

    def quit(self):
        if self.process.poll() is None:
            self.say("quit")
        status = self.process.wait(LONG)
        for thread in self.threads:
            thread.join(LONG)
        assert status == 0, "".join(self.log)


class Proxy:
    """An HTTP proxy that allows CONNECT, and notes where to."""

    def __init__(self, answer="200 Connection established"):
        self.answer, self.asked = answer, []
        self.places = {}  # names that only this proxy knows
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = client.recv(1)
            if not byte:
                return
            head += byte
        self.asked.append(head.split()[1].decode())
        client.sendall(f"HTTP/1.1 {self.answer}\r\nVia: lab\r\n\r\n".encode())
        if not self.answer.startswith("200"):
            client.close()
            return
        place = self.asked[-1]
        hub = socket.create_connection(self.places.get(place) or place.rsplit(":", 1))
        threading.Thread(target=self._pump, args=(client, hub), daemon=True).start()
        self._pump(hub, client)

    @staticmethod
    def _pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def sequences(messages):
    return [message["sequence"] for message in messages]
