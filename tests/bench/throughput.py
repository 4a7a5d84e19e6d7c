"""./dev bench throughput: what one node does with one second of CPU.

The hub's log is filled before the node starts, so that the node is what limits. The second run
takes the same events with `holdfast node --discard`: the same code receives and settles them and
throws them away. CPU seconds are the node process's own, user and system.
"""

import time

from bench import report
from harness import place
from harness.cluster import Cluster
from harness.waiting import wait_until


def parse():
    parser = report.parser("throughput", __doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=400_000, help="events in the hub's log")
    parser.add_argument("--devices", type=int, default=1000, help="devices that sent them")
    parser.add_argument("--properties", type=int, default=8, help="values in an event")
    parser.add_argument("--partitions", type=int, default=8, help="partitions of the hub")
    return parser.parse_args()


def measure(cluster, node, finished, what):
    """Runs until `finished`; (CPU seconds, wall seconds, MiB)."""
    cpu, began = node.cpu_seconds(), time.monotonic()
    cluster.configure()

    def done():
        node.child.require_alive()
        return finished()

    wait_until(done, 600, what, every=0.1)
    return node.cpu_seconds() - cpu, time.monotonic() - began, node.memory_mib()


def main():
    options = parse()
    cluster = Cluster(place.Run("throughput"), nodes=0, partitions=options.partitions,
                      devices=options.devices, properties=options.properties)
    cluster.prepare()
    report.say(f"writing {options.events} events into the hub's log")
    cluster.hub.generate(devices=options.devices, properties=options.properties,
                         events=options.events, preload=True)
    wait_until(lambda: cluster.hub.state()["emitted"] >= options.events, 600,
               "the log is filled", every=0.2)

    node = cluster.add_node("node-1")
    cpu, wall, memory = measure(cluster, node, cluster.delivered_all, "everything is delivered")
    node.stop()
    report.say(f"delivered in {wall:.1f} s with {cpu:.2f} s of CPU, {memory:.0f} MiB")
    found = cluster.check(names="seq")

    # A database that knows no checkpoint, so that the same events are read again.
    cluster.watching.close()
    cluster.database = "discard"
    cluster.postgres.create_database(cluster.database)
    cluster.postgres.migrate(cluster.database)
    sent_before = sum(part["sent"] for part in cluster.hub.state()["partitions"])
    node = cluster.add_node("node-2", arguments=["--discard"])

    def received():
        sent = sum(part["sent"] for part in cluster.hub.state()["partitions"])
        return (sent - sent_before >= options.events
                and node.metric("holdfast_events_received_total") >= options.events)

    discard_cpu, discard_wall, _memory = measure(cluster, node, received, "everything is read")
    node.stop()
    report.say(f"discarded in {discard_wall:.1f} s with {discard_cpu:.2f} s of CPU")

    per_cpu, discard_per_cpu = options.events / cpu, options.events / discard_cpu
    result = {
        "events_per_cpu_second": round(per_cpu),
        "discard_events_per_cpu_second": round(discard_per_cpu),
        "ratio": round(per_cpu / discard_per_cpu, 3),
        "events_per_second": round(options.events / wall),
        "rss_mib": round(memory, 1),
    }
    report.finish(options, result, found["lost"] == 0)


if __name__ == "__main__":
    report.run(main)
