"""What Holdfast is measured beside: leaders elected by etcd, and by a row with a time to live.

etcd is asked through its own command line client, which is the concurrency package of its client
library: a session, kept alive by itself, and the recipe of waiting for the predecessor's key.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import sys

from bench import ttl_row
from harness import netns
from harness.postgres import free_port
from harness.process import Child
from harness.waiting import wait_until

CANDIDATES = 3


class Candidates:
    """Programs of which one leads; each in a network of its own where there can be some."""

    # Set by the kinds: what it is, its time to live in seconds, how often it looks after its lease,
    # and which faults are tried how often.
    title = ttl = phase = runs = None

    def __init__(self, run, recorder, ports):
        self.run, self.recorder = run, recorder
        self.networks = {}
        self.children = {}
        self.names = [f"{self.key}-{number}" for number in range(1, CANDIDATES + 1)]
        for name in self.names:
            if netns.refused() is None:
                self.networks[name] = netns.Namespace(ports)
            recorder.follow(name, run.log(name))

    @property
    def key(self):
        return type(self).__name__.lower()

    def command(self, name):
        raise NotImplementedError

    def leads(self, text):
        raise NotImplementedError

    def settled(self):
        """Whether all candidates lead or wait."""
        raise NotImplementedError

    def environment(self):
        return os.environ

    def start(self):
        for name in self.names:
            self.start_one(name)
        self.settle()
        return self

    def start_one(self, name):
        network = self.networks.get(name)
        # The log takes what it prints, and nothing of an earlier life.
        self.children[name] = Child(
            name, [*(network.prefix if network else ()), *self.command(name)],
            self.run.log(name), env=self.environment())
        self.run.note_children()

    def settle(self):
        wait_until(self.settled, 60, f"all candidates of {self.title} are there")

    def leader(self):
        """The name of the one that said last that it leads."""
        return wait_until(lambda: self.recorder.last(self.is_news), 60,
                          f"{self.title} has a leader")[1]

    def is_news(self, name, text):
        return name in self.names and self.leads(text)

    def fault(self, kind, name):
        if kind == "kill":
            self.children[name].signal(signal.SIGKILL)
        elif kind == "stop":
            self.children[name].signal(signal.SIGSTOP)
        else:
            self.networks[name].cut()

    def repair(self, name):
        """Whatever it suffers from, it begins anew."""
        self.children[name].kill()
        with contextlib.suppress(KeyError):
            self.networks[name].heal()
        self.start_one(name)
        self.settle()

    def stop(self):
        for child in self.children.values():
            child.kill()
        for network in self.networks.values():
            network.close()


class Etcd:
    """One server, as Debian packages it."""

    def __init__(self, run):
        self.run = run
        self.client, self.peer = free_port(), free_port()
        self.child = None

    @staticmethod
    def missing():
        """What to say when it is not there; None when it is."""
        if shutil.which("etcd") and shutil.which("etcdctl"):
            return None
        return "etcd is not installed (apt-get install etcd-server etcd-client): skipped"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.client}"

    def start(self):
        peer = f"http://127.0.0.1:{self.peer}"
        self.child = Child("etcd", [
            "etcd", "--data-dir", self.run.path / "data" / "etcd",
            "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"default={peer}"], self.run.log("etcd"))
        self.run.note_children()
        # Without a file nothing else tells that it serves.
        wait_until(lambda: "ready to serve client requests" in
                   self.run.log("etcd").read_text(errors="replace"), 30, "etcd serves")
        return self


class EtcdCandidates(Candidates):
    def __init__(self, run, recorder, etcd):
        self.etcd = etcd
        super().__init__(run, recorder, [etcd.client])

    def environment(self):
        return {**os.environ, "ETCDCTL_API": "3"}

    def leads(self, text):
        return text.startswith(f"{self.key}/")

    def settled(self):
        done = Child("etcdctl", ["etcdctl", "--endpoints", self.etcd.url, "get", "--prefix",
                                 "--keys-only", f"{self.key}/"], self.run.log("etcdctl"),
                     stdout=self.run.path / "keys", env=self.environment())
        done.wait(10)
        done.forget()
        keys = (self.run.path / "keys").read_text().split()
        return len(keys) >= CANDIDATES

    def etcdctl(self, *arguments):
        return ["etcdctl", "--endpoints", self.etcd.url, *arguments]


class EtcdLockLeast(EtcdCandidates):
    title = "etcd lock, --ttl 1 (the server makes it 2 s)"
    ttl, phase = 2.0, 0.7
    runs = {"kill": 4, "stop": 4, "cut": 4}

    def command(self, name):
        return self.etcdctl("lock", "--ttl", "1", self.key)


class EtcdLock(EtcdCandidates):
    title = "etcd lock, as it comes (10 s)"
    ttl, phase = 10.0, 3.3
    runs = {"kill": 2, "stop": 2, "cut": 2}

    def command(self, name):
        return self.etcdctl("lock", self.key)


class EtcdElect(EtcdCandidates):
    title = "etcd elect, as it comes (60 s)"
    ttl, phase = 60.0, 5.0
    runs = {"kill": 1}

    def command(self, name):
        return self.etcdctl("elect", self.key, name)


class TtlRow(Candidates):
    title = f"a row with a TTL of {ttl_row.TTL:.0f} s, as River"
    ttl, phase = ttl_row.TTL, ttl_row.EVERY
    runs = {"kill": 2, "stop": 2, "cut": 2}

    def __init__(self, run, recorder, postgres):
        self.postgres = postgres
        postgres.query("CREATE DATABASE ttl_row", database="postgres")
        postgres.query(ttl_row.TABLE, database="ttl_row")
        super().__init__(run, recorder, [postgres.port])

    def environment(self):
        return {**os.environ, "DATABASE": self.postgres.dsn("postgres", "ttl_row")}

    def command(self, name):
        return [sys.executable, pathlib.Path(ttl_row.__file__), name]

    def leads(self, text):
        return text == "leading"

    def settled(self):
        return all(self.recorder.last(lambda who, _text, name=name: who == name)
                   for name in self.names)
