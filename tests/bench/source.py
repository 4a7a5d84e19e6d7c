"""./dev bench source: what reading costs, without all that a node does with what it has read.

A small program around the product's source reads the same log of the lab's hub several times:
events as they came (received, settled, thrown away), scanned as the node does, and decoded with
Proton's own decoder instead. CPU seconds are that program's own, user and system; of several
rounds, whose order turns, the median counts.
"""

import json
import os
import statistics
import subprocess

from bench import report
from harness import place
from harness.lab import Hub
from harness.waiting import wait_until

WAYS = {"received": ["--raw"], "scanned": [], "proton_decode": ["--proton"]}


def parse():
    parser = report.parser("source", __doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=400_000, help="events in the hub's log")
    parser.add_argument("--devices", type=int, default=1000, help="devices that sent them")
    parser.add_argument("--properties", type=int, default=8, help="values in an event")
    parser.add_argument("--partitions", type=int, default=8, help="partitions of the hub")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is measured")
    return parser.parse_args()


def read_all(hub, events, arguments):
    """Reads the log once; gives the events per CPU second."""
    driver = place.build_folder() / "tests/system/drivers/source-driver"
    done = subprocess.run([str(driver), "--bench", str(events), *arguments],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
                          env={**os.environ, "SOURCE_CONNECTION": hub.connection_string},
                          check=False)
    found = [line for line in done.stdout.splitlines() if line.startswith("bench ")]
    if done.returncode != 0 or not found or "error" in done.stdout:
        raise RuntimeError(f"source-driver failed: {done.stdout[-500:]} {done.stderr[-500:]}")
    return json.loads(found[0].removeprefix("bench "))["events_per_cpu_second"]


def main():
    options = parse()
    hub = Hub(place.Run("source"), partitions=options.partitions).start()
    report.say(f"writing {options.events} events into the hub's log")
    hub.generate(devices=options.devices, properties=options.properties, events=options.events,
                 preload=True)
    wait_until(lambda: hub.state()["emitted"] >= options.events, 600, "the log is filled",
               every=0.2)
    found = {way: [] for way in WAYS}
    for number in range(options.rounds):
        for way in sorted(WAYS, reverse=number % 2 == 1):
            found[way].append(read_all(hub, options.events, WAYS[way]))
            report.say(f"{way}: {found[way][-1]} events per CPU-second")
    hub.stop()
    result = {f"{way}_per_cpu_second": round(statistics.median(found[way])) for way in WAYS}
    report.finish(options, result, True)


if __name__ == "__main__":
    report.run(main)
