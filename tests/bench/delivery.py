"""./dev bench delivery: what it takes to bring an event to its Thing, each figure beside its limit.

One node between the lab's hub and the lab's ThingWorx, all on this machine. Loads are written into
the hub's log at once, after the node has met every device, so that the node is what limits. CPU
seconds are the node process's own, user and system; they and ratios within one run are what counts
on a machine that others share, times are not. Every load is repeated; medians, least and greatest
are told.
"""

import os
import subprocess
import time

from bench import delivery_latency, delivery_peer, delivery_rig, report
from bench.delivery_rig import Meter, Rig, measure, spread, start_node
from harness import place

GROWTH = (100, 1000, 10_000, 100_000, 1_000_000)
PARTS = ("throughput", "source", "sink", "latency", "growth", "peer")
BASE_MIB = 128
BINDING_BYTES = 200
IN_FLIGHT = 8


def parse():
    parser = report.parser("delivery", __doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true",
                        help="fewer and shorter loads, 100,000 devices at most")
    parser.add_argument("--only", choices=PARTS, action="append",
                        help="this part (may be repeated)")
    parser.add_argument("--events", type=int, default=300_000, help="events of a load")
    parser.add_argument("--devices", type=int, default=10_000, help="devices that send them")
    parser.add_argument("--rounds", type=int, default=3, help="how often each load is measured")
    options = parser.parse_args()
    options.growth = [n for n in GROWTH if not options.quick or n <= 100_000]
    if options.quick:
        options.events = min(options.events, 100_000)
    return options


def memory(node):
    """Resident memory beside what the cached bindings allow."""
    bindings = round(node.metric("holdfast_bindings_cached"))
    return {"mib": round(node.memory_mib(), 1), "bindings": bindings,
            "limit_mib": round(BASE_MIB + bindings * BINDING_BYTES / 2**20, 1)}


def throughput(rig, options, result):
    node = start_node(rig)
    for way, name in (("auto", "bulk"), ("per_thing", "per_thing")):
        rig.way(way)
        rig.warm(options.devices)
        per_cpu, per_request = measure(rig, Meter(node), events=options.events,
                                       devices=options.devices, rounds=options.rounds)
        result[name] = spread(per_cpu)
        result[f"{name}_events_per_request"] = round(sum(per_request) / len(per_request), 1)
        report.say(f"{name}: {result[name]['median']} events per CPU-second")
    result["memory"] = memory(node)
    result["refused"] = rig.lost(node)
    node.stop()


def source(rig, options, result):
    result["discard"] = spread(delivery_rig.discard(
        rig, "discard", events=options.events, devices=options.devices, rounds=options.rounds))
    report.say(f"received and discarded: {result['discard']['median']} events per CPU-second")


def post(rig, options, way, sample, per_request):
    """The bodies that a node sends, posted from memory."""
    if way == "per_thing":
        sample = sorted(sample, key=lambda event: event[0])
    key = rig.thingworx.key_file.read_text()
    done = subprocess.run(
        [delivery_rig.driver("sink-driver"), way, rig.thingworx.base_url, str(options.events),
         str(IN_FLIGHT), str(per_request)],
        input="".join(f"{device}\t{body}\n" for device, body in sample), capture_output=True,
        text=True, env={**os.environ, "SINK_KEY": key}, timeout=600, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"sink-driver failed: {done.stdout} {done.stderr}")
    return report.read(done.stdout)


def sink(rig, options, result):
    if not rig.hub.ends():
        rig.hub.generate(devices=options.devices, events=options.events, preload=True)
    sample = rig.sample(min(options.events, 4 * options.devices))
    for way, otherwise in (("bulk", 125), ("per_thing", 4)):
        per_request = max(1, round(result.get(f"{way}_events_per_request", otherwise)))
        found = [post(rig, options, way, sample, per_request) for _ in range(options.rounds)]
        rig.forget()
        result[f"{way}_posted"] = spread([f["events"] * 1e6 / f["cpu_us"] for f in found])
        result[f"{way}_posted_per_second"] = spread(
            [f["events"] * 1e6 / f["wall_us"] for f in found])
        report.say(f"{way} bodies from memory: {result[f'{way}_posted']['median']} events per"
                   f" CPU-second")


def growth(rig, options, result):
    """The cost of an event by the number of devices, in bulk mode, with a node that knows them."""
    node = start_node(rig, "node-growth")
    rig.way("auto")
    costs = {}
    for devices in options.growth:
        began = time.monotonic()
        rig.make_devices(devices)
        rig.warm(devices)
        warm = time.monotonic() - began
        per_cpu, _ = measure(rig, Meter(node), events=options.events, devices=devices,
                             rounds=options.rounds)
        costs[devices] = {"us_per_event": spread([1e6 / n for n in per_cpu], 2),
                          "warm_s": round(warm, 1), "memory": memory(node)}
        report.say(f"{devices} devices: {costs[devices]['us_per_event']['median']} us per event,"
                   f" {costs[devices]['memory']['mib']} MiB")
    node.stop()
    most = max(costs)
    result["growth"] = costs
    result["growth_devices"] = most
    result["growth_ratio"] = round(costs[most]["us_per_event"]["median"]
                                   / costs[1000]["us_per_event"]["median"], 2)


RUN = {"throughput": throughput, "source": source, "sink": sink,
       "latency": delivery_latency.measure, "growth": growth, "peer": delivery_peer.measure}


def lines(result):
    """(what, measured, to reach, whether it is reached; None: nothing to reach)"""
    def figure(name):
        found = result[name]
        return f"{found['median']:,} ({found['min']:,} to {found['max']:,})"

    if "bulk" in result:
        yield ("events per CPU-second, bulk", figure("bulk"), "100,000; the budget is 200,000",
               result["bulk"]["median"] >= 100_000)
        yield "events per CPU-second, per Thing", figure("per_thing"), "", None
        yield ("memory, MiB", str(result["memory"]["mib"]),
               f"{result['memory']['limit_mib']} with {result['memory']['bindings']:,} bindings",
               result["memory"]["mib"] < result["memory"]["limit_mib"])
        yield "refused or repeated", str(result["refused"]), "0", result["refused"] == 0
    if "discard" in result:
        yield "limit of the source: received and discarded", figure("discard"), "", None
    if "bulk" in result and "discard" in result:
        yield ("bulk as a share of it",
               f"{result['bulk']['median'] / result['discard']['median']:.3f}", "", None)
    for way in ("bulk", "per_thing"):
        if f"{way}_posted" in result:
            yield f"limit of the sink: {way} bodies from memory", figure(f"{way}_posted"), "", None
    yield from delivery_latency.lines(result)
    if "growth_ratio" in result:
        most = result["growth_devices"]
        yield (f"cost at {most:,} devices, times that at 1,000", str(result["growth_ratio"]),
               "1.5", result["growth_ratio"] <= 1.5)
        found = result["growth"][most]["memory"]
        yield (f"memory at {most:,} devices, MiB", str(found["mib"]),
               f"{found['limit_mib']} with {found['bindings']:,} bindings",
               found["mib"] < found["limit_mib"])
    yield from delivery_peer.lines(result)


def main():
    options = parse()
    options.run = place.Run("delivery")
    rig = Rig(options.run.part("main"), devices=options.devices)
    result = {"events": options.events, "devices": options.devices, "properties": 8}
    began = time.monotonic()
    for name in PARTS:
        if not options.only or name in options.only:
            RUN[name](rig, options, result)
    result["seconds"] = round(time.monotonic() - began)
    told = list(lines(result))
    report.table(told)
    report.finish(options, result, all(reached is not False for *_line, reached in told))


if __name__ == "__main__":
    report.run(main)
