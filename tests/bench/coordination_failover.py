"""How long nobody leads, and for Holdfast how long partitions are not delivered, after the leader was
killed, was stopped, or lost its network. One recorder times all contenders by what they write."""

import random
import signal
import threading
import time

from bench import failover, report
from bench.coordination_peers import (
    Candidates, Etcd, EtcdElect, EtcdLock, EtcdLockLeast, TtlRow,
)
from bench.recorder import Recorder
from harness import netns
from harness.cluster import Cluster
from harness.waiting import wait_until

FAULTS = {"kill": "SIGKILL", "stop": "SIGSTOP", "cut": "network cut"}
RATE = 1000
PARTITIONS = 8


class Holdfast(Candidates):
    """Three nodes under load, over the lab."""

    title, ttl, phase = "Holdfast, TTL 5 s", 5.0, 1.7
    runs = {"kill": 10, "stop": 4, "cut": 4}

    def __init__(self, run, recorder, postgres):
        run = run.run.part(self.key)  # its own hub
        self.cluster = Cluster(run, nodes=0, partitions=PARTITIONS, postgres=postgres,
                               database=self.key,
                               node_arguments=["--ttl-ms", int(1000 * self.ttl)])
        self.cluster.prepare()
        self.cluster.configure()
        super().__init__(run, recorder, [postgres.port, self.cluster.hub.ports["amqp_port"],
                                         self.cluster.thingworx.ports["port"]])
        self.faults = []

    def leads(self, text):
        return 'msg="leading the cluster"' in text

    def start_one(self, name):
        if name in self.cluster.nodes:
            self.cluster.nodes[name].start()
        else:
            self.cluster.add_node(name, network=self.networks.get(name))
        self.children[name] = self.cluster.nodes[name].child

    def start(self):
        for name in self.names:
            self.start_one(name)
        self.cluster.hub.generate(devices=self.cluster.devices, rate=RATE)
        self.settle()
        return self

    def settle(self):
        failover.flowing(self.cluster)

    def fault(self, kind, name):
        self.faults.append({"kind": kind, "victim": name, "at_us": int(time.time() * 1e6),
                            "orphans": self.cluster.partitions_of(name)})
        super().fault(kind, name)

    def repair(self, name):
        wait_until(lambda: len(self.cluster.owners()) == PARTITIONS and
                   name not in self.cluster.owners().values(), 60, "the orphans have new owners")
        super().repair(name)

    def finish(self):
        """Everything must have arrived; gives the pauses of the partitions, by fault."""
        self.cluster.hub.stop_generator()
        self.cluster.wait_delivered(120)
        found = self.cluster.check()
        pauses = {}
        for each in self.faults:
            pauses.setdefault(each["kind"], []).append(failover.partitions_ms(self.cluster, each))
        for name in self.names:
            self.cluster.nodes[name].signal(signal.SIGTERM)
        self.cluster.stop()
        return found, pauses


class HoldfastShort(Holdfast):
    """With the time to live that is etcd's least."""

    title, ttl, phase = "Holdfast, TTL 2 s", 2.0, 0.7
    runs = {"kill": 4, "stop": 4, "cut": 4}


def seconds(numbers):
    """{"median", "max", "runs"} in milliseconds."""
    return {**report.spread(numbers), "runs": len(numbers)}


def try_faults(contender, quick):
    """{fault: [milliseconds]}; None for a fault that took longer than anything explains."""
    chance = random.Random(1)
    found = {}
    for kind, runs in contender.runs.items():
        if kind == "cut" and netns.refused():
            continue
        for _ in range(max(1, runs // 4) if quick else runs):
            victim = contender.leader()
            time.sleep(chance.random() * contender.phase)  # somewhere between two renewals
            began = time.monotonic()
            contender.fault(kind, victim)
            line = contender.recorder.wait(
                lambda name, text, victim=victim: name != victim and contender.is_news(name, text),
                began, 3 * contender.ttl + 30)
            took = (line[0] - began) * 1000 if line else None
            found.setdefault(kind, []).append(took)
            report.say(f"{contender.title}: {FAULTS[kind]}: "
                       f"{'no new leader' if took is None else f'{took:.0f} ms'}")
            contender.repair(victim)
    return found


def measure_holdfast(holdfast, quick):
    leaders = try_faults(holdfast, quick)
    found, pauses = holdfast.finish()
    for network in holdfast.networks.values():
        network.close()
    return {"title": holdfast.title,
            "leader_ms": {kind: seconds(numbers) for kind, numbers in leaders.items()},
            "partitions_ms": {kind: seconds(numbers) for kind, numbers in pauses.items()},
            "events": found["emitted"],
            **{count: found[count] for count in ("lost", "out_of_order", "duplicates")}}


def peers(run, recorder, postgres, quick):
    """All at once: they mostly wait."""
    kinds = [(TtlRow, postgres)]
    missing = Etcd.missing()
    if missing:
        report.say(missing)
    else:
        etcd = Etcd(run).start()
        kinds += [(EtcdLockLeast, etcd), (EtcdLock, etcd)] + ([] if quick else [(EtcdElect, etcd)])
    contenders = [kind(run, recorder, server).start() for kind, server in kinds]
    found = {}

    def work(contender):
        found[contender.key] = try_faults(contender, quick)

    threads = [threading.Thread(target=work, args=(each,)) for each in contenders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for contender in contenders:
        contender.stop()
    if not missing:
        etcd.child.stop()
    return {each.key: {"title": each.title, **{
        kind: seconds(numbers) for kind, numbers in found.get(each.key, {}).items()}}
        for each in contenders}


def ratios(ours, others):
    """How many times longer a peer has no leader: medians of the same run."""
    return {key: {kind: round(peer[kind]["median"] / max(1, ours[kind]["median"]), 1)
                  for kind in FAULTS if peer.get(kind, {}).get("median") and kind in ours}
            for key, peer in others.items()}


def measure(run, postgres, options):
    if netns.refused():
        report.say(f"network cut: skipped: {netns.refused()}")
    else:
        netns.admit(postgres)
    recorder = Recorder()
    ours = {}
    for kind in (Holdfast, HoldfastShort):
        holdfast = kind(run, recorder, postgres).start()
        ours[holdfast.key] = measure_holdfast(holdfast, options.quick)
    others = peers(run, recorder, postgres, options.quick)
    leaders = {key: {"title": each["title"], **each["leader_ms"]} for key, each in ours.items()}
    return {"leader_ms": {**leaders, **others},
            "times_longer_than_holdfast": ratios(ours["holdfast"]["leader_ms"], others),
            "times_longer_than_holdfast_of_2_s": ratios(ours["holdfastshort"]["leader_ms"], others),
            "partitions_ms": {key: each["partitions_ms"] for key, each in ours.items()},
            **{count: sum(each[count] for each in ours.values())
               for count in ("events", "lost", "out_of_order", "duplicates")}}
