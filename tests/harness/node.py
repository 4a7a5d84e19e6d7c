"""One `holdfast node` process."""

import os
import re
import signal

from harness import http, place
from harness.process import Child
from harness.waiting import wait_until

_PORT = re.compile(r"\bmsg=\"?listening\"?.*\bport=(\d+)")
_GAP = "woken up after a gap"
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Node:
    """A node by its name; start() may be called again after it ended.

    `network` is a netns.Namespace to live in, `environment` what it finds there besides ours,
    `secrets` a folder instead of the one that all share, `program` another build of it.
    """

    def __init__(self, run, name, dsn, arguments=(), stay=False, *, network=None,
                 environment=None, secrets=None, program=None):
        self.run = run
        self.name = name
        self.dsn = dsn
        self.arguments = list(arguments)
        self.stay = stay
        self.network = network
        self.environment = environment or {}
        self.secrets = secrets or run.path / "secrets"
        self.program = program or place.program("holdfast")
        self.address = network.theirs if network else "127.0.0.1"
        self.child = None
        self.port = None
        self._log_from = 0
        self._stopped = 0

    @property
    def log(self):
        return self.run.log(self.name)

    def start(self, wait=True):
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        self.port = None
        # The connection string goes by the environment: argv is for everybody to read.
        self.child = Child(
            self.name,
            [*(self.network.prefix if self.network else ()), self.program, "node",
             "--name", self.name, "--secrets", self.secrets,
             "--http-address", self.address, "--http-port", "0", *self.arguments],
            self.log, stay=self.stay,
            env={**os.environ, "HOLDFAST_DATABASE": self.dsn,
                 "HOLDFAST_SQL_DIR": str(place.ROOT), **self.environment})
        self.run.note_children()
        if wait:
            self.wait_ready()
        return self

    def _find_port(self):
        self.child.require_alive()
        with self.log.open(encoding="utf-8", errors="replace") as file:
            file.seek(self._log_from)
            match = _PORT.search(file.read())
        return int(match.group(1)) if match else None

    def wait_listening(self, timeout=60):
        self.port = self.port or wait_until(self._find_port, timeout,
                                            f"node {self.name} listens")
        return self

    def wait_ready(self, timeout=60):
        """Until it trusts its lease."""
        self.wait_listening(timeout)
        wait_until(self.ready, timeout, f"node {self.name} is ready")
        return self

    def ready(self):
        self.child.require_alive()
        self.port = self.port or self._find_port()
        if self.port is None:
            return False
        try:
            return http.fetch(f"http://{self.address}:{self.port}/readyz", timeout=5)[0] == 200
        except OSError:
            return False

    def metrics(self):
        return http.metrics(f"http://{self.address}:{self.port}/metrics")

    def metric(self, name, default=0.0):
        """The sum of a metric over its labels."""
        return sum(self.metrics().get(name, {"": default}).values())

    @property
    def alive(self):
        return self.child is not None and self.child.alive

    @property
    def pid(self):
        return self.child.pid

    def signal(self, number):
        self._stopped += number == signal.SIGSTOP
        self.child.signal(number)

    def stood_still(self):
        """How often it has noticed a gap in its loop that was not of our making."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return max(0, text.count(_GAP) - self._stopped)

    def kill(self):
        self.child.kill()

    def stop(self, timeout=60):
        """A clean stop: it finishes what is in flight, checkpoints and leaves."""
        return self.child.stop(timeout)

    def cpu_seconds(self):
        """User and system time of the process so far."""
        with open(f"/proc/{self.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS

    def waited_seconds(self):
        """How long the process was ready to run so far, and no core was free."""
        with open(f"/proc/{self.pid}/schedstat", encoding="utf-8") as file:
            return int(file.read().split()[1]) / 1e9

    def memory_mib(self):
        """The most resident memory that it ever had."""
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        return 0.0
