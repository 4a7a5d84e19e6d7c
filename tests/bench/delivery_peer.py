"""What a user would write instead: tests/bench/peer/peer.mjs, with Microsoft's Event Hubs client,
on the same hub, the same devices and the same ThingWorx, one after the other in the same run.

Its figures are taken as the node's are: CPU-seconds of its process, latency from enqueued to
accepted, and the time from a kill -9 of one of two processes to the first event that ThingWorx
accepts of every partition it had. Needs Node.js 20 and npm's registry; skipped with a line where
they are not.
"""

import os
import shutil
import time

from bench import delivery_latency, report
from bench.delivery_rig import Rig, measure as measure_loads, spread
from harness import npm, place
from harness.process import Child
from harness.waiting import wait_until

HERE = place.ROOT / "tests/bench/peer"
PLACE = place.ROOT / "build/peer"
KILL_DEVICES = 200
KILL_RATE = 2000
_TICKS = os.sysconf("SC_CLK_TCK")


class Peer:
    """One process of peer.mjs."""

    def __init__(self, rig, name, blob, way, container):
        self.name = name
        self.out = rig.cluster.run.path / "log" / f"{name}.out"
        self.child = Child(
            name, ["node", PLACE / "peer.mjs"], rig.cluster.run.log(name), stdout=self.out,
            cwd=PLACE, env={**os.environ, "PEER_NAME": name, "PEER_WAY": way,
                            "PEER_CONNECTION": rig.hub.connection_string, "PEER_BLOB": blob,
                            "PEER_CONTAINER": container,
                            "PEER_KEY_FILE": str(rig.thingworx.key_file),
                            "PEER_THINGWORX": rig.thingworx.base_url,
                            "PEER_START": "@latest"})

    def told(self):
        return [report.read(line) for line in self.out.read_text().splitlines(keepends=True)
                if line.endswith("\n")]

    def owned(self):
        self.child.require_alive()
        found = set()
        for what in self.told():
            found |= {what["gained"]} if "gained" in what else set()
            found -= {what["lost"]} if "lost" in what else set()
        return found

    def cpu_seconds(self):
        with open(f"/proc/{self.child.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    # As delivery_rig.Meter; its requests are not counted.
    def begin(self):
        self.before = self.cpu_seconds()

    def end(self):
        return self.cpu_seconds() - self.before, 0


def wait_reading(rig, peers):
    """Every partition is owned, once, and has a receiver."""
    everything = rig.hub.partitions

    def reading():
        counts = [len(peer.owned()) for peer in peers]
        return (sum(counts) == everything and max(counts) - min(counts) <= 1
                and all(part["receivers"] for part in rig.hub.state()["partitions"]))

    wait_until(reading, 120, lambda: f"all is read: {[peer.owned() for peer in peers]}", every=0.1)


def speed(rig, options, blob, result):
    for way, share in (("bulk", 6), ("per_thing", 30)):
        peer = Peer(rig, f"peer-{way}", blob, way, way.replace("_", "-"))
        wait_reading(rig, [peer])
        rig.warm(options.devices)
        per_cpu, _ = measure_loads(rig, peer, events=options.events // share,
                                   devices=options.devices, rounds=options.rounds)
        found = {"events_per_cpu_second": spread(per_cpu),
                 "latency": delivery_latency.run(rig, 3 if options.quick else 6)}
        result[f"peer_{way}"] = found
        errors = [what for what in peer.told() if "error" in what]
        found["errors"] = len(errors)
        peer.child.kill()
        report.say(f"peer, {way}: {found['events_per_cpu_second']['median']} events per"
                   f" CPU-second, p99 at half load {found['latency']['at_50']['p99_ms']} ms")


# ---- take-over ----


def first_after(cluster, killed_us, victim, orphans):
    """Milliseconds from the kill until every orphan was delivered again; None: not yet."""
    found = cluster.check(since_us=killed_us, not_sender=victim, names="seq")
    first = [found["first_accepted_us"].get(partition) for partition in orphans]
    return (max(first) - killed_us) / 1000 if first and all(first) else None


def delivered_again(cluster, killed_us, victim, orphans):
    return wait_until(lambda: first_after(cluster, killed_us, victim, orphans), 120,
                      "the orphans are delivered again", every=0.5)


def take_over_nodes(rig, rounds):
    cluster = rig.cluster
    cluster.query("SELECT holdfast.set_setting('flap_hold_ms', '0')", user="admin")
    for name in ("node-a", "node-b"):
        cluster.add_node(name)
    cluster.wait_balanced(60)
    rig.hub.generate(devices=KILL_DEVICES, rate=KILL_RATE)
    found = []
    for number in range(rounds):
        victim = ("node-a", "node-b")[number % 2]
        wait_until(lambda: len(cluster.checkpoints()) == rig.hub.partitions, 30, "all flows")
        orphans = cluster.partitions_of(victim)
        killed_us = int(time.time() * 1e6)
        cluster.nodes[victim].kill()
        found.append(delivered_again(cluster, killed_us, victim, orphans))
        cluster.nodes[victim].start()
        cluster.wait_balanced(60)
    rig.hub.stop_generator()
    cluster.wait_delivered(60)
    for node in cluster.nodes.values():
        node.stop()
    return found


def take_over_peers(rig, blob, rounds):
    def start(name):
        return Peer(rig, name, blob, "bulk", "takeover")

    peers = [start("peer-0"), start("peer-1")]
    wait_reading(rig, peers)
    rig.hub.generate(devices=KILL_DEVICES, rate=KILL_RATE)
    found = []
    for number in range(rounds):
        victim = peers.pop(0)
        orphans = victim.owned()
        killed_us = int(time.time() * 1e6)
        victim.child.kill()
        found.append(delivered_again(rig.cluster, killed_us, victim.name, orphans))
        peers.append(start(f"peer-{number + 2}"))
        wait_reading(rig, peers)
    rig.hub.stop_generator()
    for peer in peers:
        peer.child.kill()
    return found


def take_over(rig, options, blob, result):
    rounds = min(options.rounds, 1 if options.quick else 3)
    for name, run in (("ours", lambda own: take_over_nodes(own, rounds)),
                      ("peer", lambda own: take_over_peers(own, blob, rounds))):
        own = Rig(options.run.part(f"take-over-{name}"), devices=KILL_DEVICES,
                  postgres=rig.cluster.postgres, database=f"take_over_{name}")
        found = run(own)
        result[f"take_over_{name}_ms"] = spread(found)
        own.cluster.stop()
        report.say(f"take-over, {name}: {result[f'take_over_{name}_ms']} ms")


def measure(rig, options, result):
    why_not = npm.install(HERE / "package.json", PLACE)
    if why_not:
        result["peer_skipped"] = why_not
        report.say(f"peer: skipped: {why_not}")
        return
    shutil.copy(HERE / "peer.mjs", PLACE)
    with npm.azurite(PLACE) as blob:
        speed(rig, options, blob, result)
        take_over(rig, options, blob, result)


def lines(result):
    for way in ("bulk", "per_thing"):
        found = result.get(f"peer_{way}")
        if found is None:
            continue
        per_cpu, latency = found["events_per_cpu_second"], found["latency"]
        yield (f"peer: events per CPU-second, {way}",
               f"{per_cpu['median']:,} ({per_cpu['min']:,} to {per_cpu['max']:,})", "", None)
        for share in delivery_latency.SHARES:
            one = latency[f"at_{share}"]
            yield (f"peer: latency at {share} % of {latency['carried_per_second']:,}/s, {way}:"
                   " median, p99, ms", f"{one['median_ms']}, {one['p99_ms']}", "", None)
    for name in ("ours", "peer"):
        found = result.get(f"take_over_{name}_ms")
        if found is not None:
            yield (f"take-over after kill -9, {name}, ms",
                   f"{found['median']:,} ({found['min']:,} to {found['max']:,})", "", None)
