"""A network of its own for a process: a Linux network namespace, joined to ours by a veth pair.

A node in there finds the servers at the addresses that all others use: its connections to their
ports on 127.0.0.1 are led through the pair, where the cable can be cut in one direction or both,
lose packets, and be slow. Needs root and nft; ask `refused()` first.

What the namespace sends counts as "out", what it is sent as "in".
"""

import atexit
import contextlib
import functools
import itertools
import os
import pathlib
import subprocess

from harness import process

OUT, IN = "out", "in"
BOTH = (OUT, IN)
# A /30 for each pair; from the middle of what private networks seldom use.
_NETWORK = "10.213.%d.%d"
_PAIRS = 16384
_numbers = itertools.count()
_living = []


class Failed(RuntimeError):
    """A command of the network did not work; the message holds what it said."""


def _run(*command, text=None):
    done = subprocess.run([str(part) for part in command], input=text, capture_output=True,
                          text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


@functools.cache
def refused():
    """Why there can be no namespaces here, or None when there can."""
    if os.getuid() != 0:
        return "network namespaces need root"
    try:
        clear_stale()
        probe = Namespace(ports=[9])
        probe.cut()
        probe.close()
    except (Failed, OSError) as error:
        return f"no network namespaces here: {error}"
    return None


@functools.cache
def netem():
    """Whether the kernel has the queueing discipline that delays packets."""
    if refused():
        return False
    with contextlib.closing(Namespace()) as probe:
        try:
            probe.slow(1)
        except Failed:
            return False
    return True


class Namespace:
    """One network. `ports` are those on our 127.0.0.1 that are reached from within."""

    def __init__(self, ports=()):
        number = next(_numbers)
        self.name = f"hf-{os.getpid()}-{number}"
        self.device = f"hf{os.getpid()}x{number}"
        self.table = self.name.replace("-", "_")
        self.ports = [int(port) for port in ports]
        self.loss = dict.fromkeys(BOTH, 0)
        self.cuts = {}  # {(direction, port or None)}: dropped
        _living.append(self)
        try:
            self._make((os.getpid() * 4 + number) % _PAIRS)
        except Failed:
            self.close()
            raise

    def _make(self, pair):
        taken = _run("ip", "-o", "-4", "addr")
        while f"{_address(pair, 1)}/" in taken:
            pair = (pair + 1) % _PAIRS
        self.ours, self.theirs = _address(pair, 1), _address(pair, 2)
        inner = self.device + "i"
        _run("ip", "netns", "add", self.name)
        _run("ip", "link", "add", self.device, "type", "veth", "peer", "name", inner,
             "netns", self.name)
        _run("ip", "addr", "add", f"{self.ours}/30", "dev", self.device)
        _run("ip", "link", "set", self.device, "up")
        _run("ip", "-n", self.name, "addr", "add", f"{self.theirs}/30", "dev", inner)
        _run("ip", "-n", self.name, "link", "set", inner, "up")
        _run("ip", "-n", self.name, "link", "set", "lo", "up")
        _sysctl(f"net/ipv4/conf/{self.device}/route_localnet")
        _run("ip", "netns", "exec", self.name, "sh", "-c",
             f"echo 1 > /proc/sys/net/ipv4/conf/{inner}/route_localnet")
        self._lead()

    def _lead(self):
        """127.0.0.1 in there is 127.0.0.1 out here, for the ports that were named."""
        ports = "{ " + ", ".join(map(str, self.ports or [9])) + " }"
        self._nft(f"""
            table ip {self.table}
            delete table ip {self.table}
            table ip {self.table} {{
              chain lead {{
                type nat hook output priority -100
                ip daddr 127.0.0.1 tcp dport {ports} dnat to {self.ours}
              }}
              chain back {{
                type nat hook postrouting priority 100
                ip daddr {self.ours} ip saddr 127.0.0.1 snat to {self.theirs}
              }}
              chain faults {{
                type filter hook input priority 0
              }}
            }}""", inside=True)
        self._nft(f"""
            table ip {self.table}
            delete table ip {self.table}
            table ip {self.table} {{
              chain lead {{
                type nat hook prerouting priority -100
                iifname "{self.device}" ip daddr {self.ours} dnat to 127.0.0.1
              }}
              chain faults {{
                type filter hook prerouting priority -200
              }}
            }}""")

    def _nft(self, text, inside=False):
        inner = ("ip", "netns", "exec", self.name) if inside else ()
        _run(*inner, "nft", "-f", "-", text="\n".join(line.strip() for line in text.splitlines())
             + "\n")

    def reach(self, *ports):
        """More ports of ours are reached from within."""
        self.ports += [int(port) for port in ports if int(port) not in self.ports]
        self._lead()
        self._write_faults()

    @property
    def prefix(self):
        """What stands before a command that is to run in there."""
        return ["ip", "netns", "exec", self.name]

    # --- faults ---

    def _write_faults(self):
        """Packets are dropped where they arrive, so that the sender knows nothing of it."""
        for direction, match in ((OUT, f'iifname "{self.device}" tcp dport'), (IN, "tcp sport")):
            rules = [f"flush chain ip {self.table} faults"]
            for (way, port) in sorted(self.cuts, key=str):
                ports = "{ " + ", ".join(map(str, [port] if port else self.ports)) + " }"
                if way == direction:
                    rules.append(f"add rule ip {self.table} faults {match} {ports} counter drop")
            if self.loss[direction]:
                ports = "{ " + ", ".join(map(str, self.ports)) + " }"
                rules.append(f"add rule ip {self.table} faults {match} {ports} numgen random"
                             f" mod 1000 < {self.loss[direction]} counter drop")
            self._nft("\n".join(rules), inside=direction == IN)

    def cut(self, directions=BOTH, port=None):
        """No packet arrives any more, to and from one port or all that are led."""
        for direction in _ways(directions):
            self.cuts[(direction, port)] = True
        self._write_faults()

    def lose(self, per_mille, directions=BOTH):
        """So many packets of a thousand get lost."""
        for direction in _ways(directions):
            self.loss[direction] = int(per_mille)
        self._write_faults()

    def slow(self, milliseconds, jitter=0):
        """Packets take longer, each way; see netem()."""
        for prefix, device in ((["ip", "netns", "exec", self.name], self.device + "i"),
                               ([], self.device)):
            _run(*prefix, "tc", "qdisc", "replace", "dev", device, "root", "netem", "delay",
                 f"{milliseconds}ms", f"{jitter}ms")

    def heal(self):
        """Everything passes again."""
        self.cuts = {}
        self.loss = dict.fromkeys(BOTH, 0)
        self._write_faults()
        for prefix, device in ((["ip", "netns", "exec", self.name], self.device + "i"),
                               ([], self.device)):
            with contextlib.suppress(Failed):  # there is none unless it was slow
                _run(*prefix, "tc", "qdisc", "del", "dev", device, "root")

    def close(self):
        """What runs in there is to be ended before; it loses its network."""
        if self in _living:
            _living.remove(self)
        _remove(self.name, self.device, self.table)


def admit(postgres):
    """Lets clients from namespaces in, by password, as it does those of this machine."""
    path = postgres.data / "pg_hba.conf"
    text = path.read_text()
    line = f"host all all {_NETWORK % (0, 0)}/16 scram-sha-256"
    if line not in text:
        path.write_text(text + line + "\n")
        postgres.query("SELECT pg_reload_conf()", database="postgres")


def _ways(directions):
    return (directions,) if isinstance(directions, str) else directions


def _address(pair, host):
    return _NETWORK % (pair // 64, pair % 64 * 4 + host)


def _sysctl(name):
    pathlib.Path("/proc/sys", name).write_text("1")


def _remove(name, device, table):
    for command in (("nft", "delete", "table", "ip", table), ("ip", "link", "del", device),
                    ("ip", "netns", "del", name)):
        with contextlib.suppress(Failed, FileNotFoundError):
            _run(*command)


def clear_stale():
    """Removes what a run that was killed has left behind."""
    for line in _run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        parts = name.split("-")
        if len(parts) == 3 and parts[0] == "hf" and parts[1].isdigit() and \
                process.start_time(int(parts[1])) is None:
            _remove(name, f"hf{parts[1]}x{parts[2]}", name.replace("-", "_"))


def _close_all():
    for each in list(_living):
        each.close()


atexit.register(_close_all)
# Handlers run in reverse order: first the children end, then their networks go.
atexit.unregister(process.end_all)
atexit.register(process.end_all)
