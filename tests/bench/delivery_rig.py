"""What the parts of ./dev bench delivery share: one node between the lab's hub and ThingWorx, and
loads that are measured on it."""

import statistics

from harness import http, place
from harness.cluster import Cluster
from harness.waiting import wait_until

DELIVERED = 900  # seconds; for the slowest load on the slowest machine
WARM_MIN = 20_000


def spread(numbers, digits=0):
    """{"median", "min", "max"} of repeated measurements."""
    made = {"median": statistics.median(numbers), "min": min(numbers), "max": max(numbers)}
    return {key: round(value, digits) if digits else round(value) for key, value in made.items()}


class Rig:
    """A cluster whose ThingWorx has the bulk service, without nodes at first."""

    def __init__(self, run, *, devices, partitions=8, properties=8, **more):
        self.devices = devices
        self.marked = 0
        self.cluster = Cluster(run, nodes=0, partitions=partitions, devices=devices,
                               properties=properties, **more)
        self.cluster.prepare()
        self.cluster.thingworx.install_bulk()
        self.cluster.configure()

    @property
    def hub(self):
        return self.cluster.hub

    @property
    def thingworx(self):
        return self.cluster.thingworx

    def make_devices(self, count):
        """Things for the first `count` devices."""
        if count > self.devices:
            self.thingworx.make_things(count=count, properties=self.cluster.properties)
            self.devices = count

    def way(self, way):
        """How values go: "auto" takes the bulk service, or "per_thing"."""
        self.cluster.query(
            "SELECT holdfast.set_destination(name => 'thingworx', base_urls => %s,"
            " app_key_secret => 'thingworx-app-key', delivery => %s)",
            ([self.thingworx.base_url], way), user="admin")
        wanted = "bulk" if way == "auto" else way
        wait_until(lambda: self._delivered_by() == wanted, 30, f"values go {wanted}")

    def _delivered_by(self):
        (row,) = self.cluster.watch("SELECT delivered FROM holdfast.destinations")
        return row.delivered

    def accepted(self):
        """Events of which ThingWorx has taken every value, whoever sent them."""
        return self.thingworx.state()["accepted_values"] / self.cluster.properties

    def mark(self):
        """Everything is delivered now: from here on settled() counts."""
        self.marked = self.hub.state()["emitted"] - self.accepted()

    def settled(self):
        return self.hub.state()["emitted"] - self.accepted() <= self.marked

    def settle(self):
        wait_until(self.settled, DELIVERED, "everything is delivered", every=0.02)

    def load(self, events, devices):
        """Writes the events into the hub's log at once and waits until they are delivered."""
        self.mark()
        self.hub.generate(devices=devices, properties=self.cluster.properties, events=events,
                          preload=True)
        self.settle()

    def warm(self, devices):
        """Every device has sent something: the node knows them all."""
        self.load(max(devices, WARM_MIN), devices)
        self.forget()

    def forget(self):
        """The ledger of what was accepted so far; it would only take memory."""
        self.thingworx.ask("/ledger", method="DELETE")

    def lost(self, node):
        """Dead letters and failed requests: there must be none."""
        return len(self.cluster.dead_letters()) + round(
            node.metric("holdfast_thingworx_retries_total"))

    def sample(self, events):
        """[(device, body)] of the newest events of the hub's log."""
        part = events // self.hub.partitions
        first = min(self.hub.ends().values()) - part
        status, text = http.fetch(f"{self.hub.control}/log?from_sequence={max(first, 0)}")
        assert status == 200, text[:200]
        lines = (line.split("\t") for line in text.splitlines())
        return [(fields[4], fields[6]) for fields in lines][:events]


class Meter:
    """What a node's process spends, and the requests that it makes, between two looks."""

    def __init__(self, node):
        self.node = node
        self.begin()

    def _read(self):
        metrics = self.node.metrics()
        return {name: sum(metrics.get(name, {"": 0.0}).values())
                for name in ("process_cpu_seconds_total", "holdfast_thingworx_requests_total")}

    def begin(self):
        self.before = self._read()

    def end(self):
        after = self._read()
        return (after["process_cpu_seconds_total"] - self.before["process_cpu_seconds_total"],
                after["holdfast_thingworx_requests_total"]
                - self.before["holdfast_thingworx_requests_total"])


def measure(rig, meter, *, events, devices, rounds):
    """Loads of a node that knows its devices: events per CPU-second, and per request."""
    per_cpu, per_request = [], []
    for _round in range(rounds):
        meter.begin()
        rig.load(events, devices)
        cpu, requests = meter.end()
        per_cpu.append(events / cpu)
        per_request.append(events / max(requests, 1))
        rig.forget()
    return per_cpu, per_request


def discard(rig, name, *, events, devices, rounds):
    """A node that receives, settles and throws away; in a database that knows no checkpoint, so
    that it begins at the beginning."""
    cluster = rig.cluster
    cluster.look_away()
    before, cluster.database = cluster.database, name
    cluster.postgres.create_database(name)
    cluster.postgres.migrate(name)
    cluster.configure()
    node = cluster.add_node("discard", arguments=["--discard"])

    def received():
        node.child.require_alive()
        return node.metric("holdfast_events_received_total") >= rig.hub.state()["emitted"]

    wait_until(received, DELIVERED, "the log is read", every=0.05)
    found, meter = [], Meter(node)
    for _round in range(rounds):
        meter.begin()
        rig.hub.generate(devices=devices, properties=cluster.properties, events=events,
                         preload=True)
        wait_until(received, DELIVERED, "everything is read", every=0.02)
        found.append(events / meter.end()[0])
    node.stop()
    cluster.look_away()
    cluster.database = before
    return found


def start_node(rig, name="node-1"):
    """A node that has caught up: what another part has left in the log, as discard() does, would
    be taken for a part of the first load, and its age for latency."""
    node = rig.cluster.add_node(name)
    rig.cluster.wait_balanced(60)
    rig.cluster.wait_delivered(DELIVERED)
    return node


def driver(name):
    return place.build_folder() / "tests/bench/drivers" / name
