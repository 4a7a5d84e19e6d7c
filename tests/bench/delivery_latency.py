"""Latency from enqueued to accepted, at shares of the load that this machine can carry.

Both moments are told by the lab: the hub stamps an event in whole milliseconds when it is put into
the log, ThingWorx notes when it accepted the value, so a latency is too long by half a millisecond
on the average. Hub, node, ThingWorx and generator share the machine's cores, and what they carry
together is the load of 100 %.
"""

import time

from bench import report
from bench.delivery_rig import start_node
from harness import http
from harness.waiting import wait_until

SHARES = (10, 50, 90)
HALF_LOAD_P99_MS = 50


def carried(rig, seconds):
    """Events per second from the first that is made to the last that is accepted, when the
    generator goes as fast as the slowest reader."""
    rig.mark()
    before, began = rig.hub.state()["emitted"], time.monotonic()
    rig.hub.generate(devices=rig.cluster.devices, rate=0, seconds=seconds)
    wait_until(lambda: not rig.hub.state()["running"], seconds + 60, "all is emitted", every=0.1)
    rig.settle()
    return (rig.hub.state()["emitted"] - before) / (time.monotonic() - began)


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latencies(rig):
    """Milliseconds from enqueued to first accepted, in order of length."""
    status, text = http.fetch(f"{rig.thingworx.control}/ledger?names=seq", timeout=300)
    assert status == 200, text[:200]
    first = {}
    for line in text.splitlines():
        _number, accepted_us, _sender, thing, _name, time_ms, seq = line.split("\t")
        first.setdefault((thing, seq), int(accepted_us) / 1000 - int(time_ms))
    return sorted(first.values())


def at_rate(rig, rate, seconds):
    rig.forget()
    rig.mark()
    before = rig.hub.state()["emitted"]
    rig.hub.generate(devices=rig.cluster.devices, rate=round(rate), seconds=seconds)
    wait_until(lambda: not rig.hub.state()["running"], seconds + 60, "all is emitted", every=0.1)
    rig.settle()
    found = latencies(rig)
    emitted = rig.hub.state()["emitted"] - before
    assert len(found) == emitted, f"{len(found)} of {emitted} events: some are of another load"
    rig.forget()
    return {"events_per_second": round(rate), "median_ms": round(percentile(found, 0.5), 1),
            "p99_ms": round(percentile(found, 0.99), 1), "max_ms": round(found[-1], 1)}


def run(rig, seconds):
    rate = carried(rig, 4)
    return {"carried_per_second": round(rate),
            **{f"at_{share}": at_rate(rig, rate * share / 100, seconds) for share in SHARES}}


def measure(rig, options, result):
    node = start_node(rig, "node-latency")
    for way, name in (("auto", "bulk"), ("per_thing", "per_thing")):
        rig.way(way)
        rig.warm(options.devices)
        result[f"{name}_latency"] = found = run(rig, 3 if options.quick else 6)
        report.say(f"{name}: carries {found['carried_per_second']} events/s; at half of it median"
                   f" {found['at_50']['median_ms']} ms, p99 {found['at_50']['p99_ms']} ms")
    node.stop()


def lines(result):
    for name in ("bulk", "per_thing"):
        found = result.get(f"{name}_latency")
        if found is None:
            continue
        for share in SHARES:
            one = found[f"at_{share}"]
            half = share == 50
            yield (f"latency at {share} % of {found['carried_per_second']:,}/s, {name}:"
                   " median, p99, ms", f"{one['median_ms']}, {one['p99_ms']}",
                   f"p99 {HALF_LOAD_P99_MS}" if half else "",
                   one["p99_ms"] < HALF_LOAD_P99_MS if half else None)
