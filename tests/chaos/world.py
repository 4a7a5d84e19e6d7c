"""The cluster as faults see it, and the record of what they did."""

import json
import time

import psycopg2

from chaos import watch
from chaos.causes import Record
from chaos.database import Database
from chaos.faults_process import Quiet
from chaos.schedule import claims_of
from harness import clock, netns, place, process
from harness.cluster import Cluster
from harness.postgres import Postgres

PROPERTIES = 4
# So few Things and so slow a ThingWorx that something always waits for the answer before it: what is
# read and not yet sent is what a broken node loses.
DEVICES = 24
LATENCY_MS = 120
NODE_ARGUMENTS = ("--ttl-ms", str(int(watch.TTL_SECONDS * 1000)))
SETTINGS = {
    "fsync": "off",  # the machine itself does not crash here
    "max_connections": "70",  # so that they can be used up
    "log_line_prefix": "%m [%p] %e %q%u@%d/%a ",  # with the SQLSTATE
}
EXCUSE_MARGIN = 2.0  # seconds that an effect outlasts its fault


class World:
    """Also the context of every fault: see the faults_*.py."""

    def __init__(self, run, nodes, partitions, rate, kinds, fails_over=False):
        """`fails_over`: the database has a standby."""
        self.run = run
        self.rate = rate
        self.kinds = kinds
        self.fails_over = fails_over
        self.postgres = Database(run, SETTINGS) if fails_over else Postgres(run, settings=SETTINGS)
        self.cluster = Cluster(run, nodes=nodes, partitions=partitions, devices=DEVICES,
                               properties=PROPERTIES, postgres=self.postgres,
                               node_arguments=NODE_ARGUMENTS)
        self.partitions = partitions
        self.nodes = {}
        self.networks = {}
        self.clock = None
        self.records = []  # dicts, one per fault that began
        self.failures = []
        self.poison_sent = {}
        self.strangers_sent = {}
        self._running = {}  # node processes that must not end by themselves
        self.watch = watch.Watch(self.cluster, self.fail, self.excused)

    # --- life ---

    def begin(self):
        if not self.fails_over:
            self.postgres.start()
        self.cluster.prepare()
        self.thingworx.make_things(count=self.partitions, prefix="poison-", properties=PROPERTIES)
        self.cluster.configure()
        self.cluster.query("SELECT holdfast.set_fleet(name => 'demo', destination => 'thingworx',"
                           " device_pattern => '^(device|poison)-')", user="admin")
        self.cluster.query("SELECT holdfast.set_setting('decline_pass_over_ms', '5000')", user="admin")
        self.cluster.query(watch.PROBE)
        for name in self.cluster.names:
            self.nodes[name] = self._node(name)
            self.start(self.nodes[name])
        self.cluster.nodes = self.nodes
        for node in self.nodes.values():
            node.wait_ready(120)
        self.cluster.wait_balanced(120)
        self.usual_thingworx()
        self.watch.start()
        self.feed()

    def _node(self, name):
        """Each in a network of its own, the first also with a clock of its own, where that can be."""
        if "network cut" in self.kinds:
            if self.fails_over:
                self.postgres.admit()
            else:
                netns.admit(self.postgres)
            self.networks[name] = netns.Namespace(
                [*self.database_ports, self.hub.ports["amqp_port"], self.thingworx.ports["port"]])
        environment = {}
        if name == self.cluster.names[0] and "clock of node-1 jumps" in self.kinds:
            self.clock = clock.Clock(self.run.path / "data" / "clock")
            environment = self.clock.environment(place.program("holdfast"))
        return Quiet(self.run, name, self.dsn, self.node_arguments,
                     network=self.networks.get(name), environment=environment)

    def end(self):
        self.watch.stop()
        for child in self._running:
            child.kill()
        self._running = {}
        self.cluster.stop()
        if self.fails_over:
            self.postgres.end()
        elif self.postgres.child:
            self.postgres.stop()
        for network in self.networks.values():
            network.close()

    @property
    def hub(self):
        return self.cluster.hub

    @property
    def thingworx(self):
        return self.cluster.thingworx

    @property
    def dsn(self):
        return self.postgres.dsn("node", self.cluster.database)

    @property
    def database_ports(self):
        return self.postgres.ports if self.fails_over else [self.postgres.port]

    @property
    def node_arguments(self):
        return list(NODE_ARGUMENTS)

    def feed(self):
        self.hub.generate(devices=DEVICES, rate=self.rate, properties=PROPERTIES)

    def usual_thingworx(self):
        """ThingWorx without faults; its answers take their time."""
        self.thingworx.clear_faults()
        self.thingworx.fault(kind="latency", ms=LATENCY_MS)

    # --- what faults call ---

    def start(self, node):
        node.start(wait=False)
        self._running[node.child] = node

    def going(self, node):
        """From now on the process may end."""
        self._running.pop(node.child, None)

    def note(self, fault, text):
        for record in self.records:
            if record["number"] == fault.number:
                record["notes"].append(text)

    def crashed(self):
        self.watch.crashes.append(time.time())

    def fail(self, text, node=None):
        """Something must not be; said once."""
        if node is not None:
            text += "; its log ends with:\n" + process.tail(node.log, 15)
        if text not in self.failures:
            self.failures.append(text)
            at = time.strftime("%H:%M:%S")
            print(f"{at} FAILURE {text}", flush=True)

    def ask(self, text, arguments=None):
        """Rows, or none if the database is not there."""
        try:
            return self.cluster.query(text, arguments)
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            return []

    def admin(self, text, *arguments):
        """Does what an administrator does; False if the database is not there."""
        try:
            self.cluster.query("SET statement_timeout = '3s'; " + text, arguments, user="admin")
            return True
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            return False

    def insists(self, text, *arguments):
        """A condition: it was done at last."""
        return lambda: self.admin(text, *arguments)

    def send_poison(self, partition):
        device = f"poison-{partition:05d}"
        seq = self.poison_sent[device] = self.poison_sent.get(device, 0) + 1
        self.hub.send(device, partition=partition, body={"seq": seq, "p1": "no number", "p2": 1.5})

    def send_stranger(self, partition):
        device = f"stranger-{partition}"
        seq = self.strangers_sent[device] = self.strangers_sent.get(device, 0) + 1
        self.hub.send(device, partition=partition, body={"seq": seq, "p1": 2.5})

    # --- what was done, and when ---

    def excused(self, since, now, claims):
        """For how many seconds of that time faults that claim one of them were at work."""
        spans = []
        for record in list(self.records):
            if record["claims"] & claims:
                ended = record["ended"] or now
                spans.append((max(since, record["began"]), min(now, ended + EXCUSE_MARGIN)))
        total, reached = 0.0, since
        for start, stop in sorted(spans):
            start = max(start, reached)
            if stop > start:
                total += stop - start
                reached = stop
        return total

    def record(self, fault):
        kind = self.kinds[fault.kind]
        exclusive, _shared = claims_of(kind, fault.target, list(self.nodes))
        made = {**fault._asdict(), "began": time.time(), "ended": None, "notes": [],
                "claims": exclusive}
        self.records.append(made)
        return made

    def carried_out(self):
        """The records, for the comparison afterwards."""
        found = []
        for record in self.records:
            kind = self.kinds[record["kind"]]
            target = record["target"]
            if kind.name == "a node joins and goes":
                target = f"late-{record['number']}"
            found.append(Record(kind.name, target, record["began"], record["ended"] or time.time(),
                                kind.repeats, kind.holds))
        return found

    # --- the processes ---

    def check_processes(self, memory_mib):
        """Nobody ends by itself, nobody grows without end."""
        for child, node in list(self._running.items()):
            if not child.alive:
                self._running.pop(child)
                self.fail(f"{node.name} ended by itself with status {child.status}", node)
                if node.child is child and node in self.nodes.values():
                    self.start(node)
                continue
            used = node.memory_mib()
            if used > memory_mib:
                self.fail(f"{node.name} uses {used:.0f} MiB, more than the ceiling of {memory_mib}")
        for server in (self.hub, self.thingworx):
            if server.child.process.poll() not in (None, 0, -9):
                self.fail(f"the lab's {server.name} ended with status {server.child.status}")


def dump(records):
    return [{**record, "claims": sorted(record["claims"])} for record in records]


def write_json(path, what):
    path.write_text(json.dumps(what, indent=1, default=str) + "\n")
