"""./dev bench soak: a hub behind its IoT hub over TLS, tokens that live a minute, two renames.

Telemetry flows all the time but for the renames themselves: a renamed hub forgets what nobody has
read, so what is in it is delivered first. At the end everything that was emitted has arrived.
"""

import time

from bench import report
from harness import place
from harness.cluster import Cluster
from harness.waiting import wait_until

TOKEN_SECONDS = 60
RENAMES = 2


def parse():
    parser = report.parser("soak", __doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long")
    parser.add_argument("--rate", type=int, default=1000, help="events per second in all")
    return parser.parse_args()


def flow(cluster, rate, seconds):
    cluster.hub.generate(devices=cluster.devices, rate=rate, events=int(rate * seconds))
    wait_until(lambda: not cluster.hub.state()["running"], seconds + 60, "all is emitted", 0.5)
    cluster.wait_delivered(60)


def rename(cluster, name):
    cluster.hub.ask("/rename", {"hub": name})
    began = time.monotonic()
    wait_until(lambda: all(p["receivers"] for p in cluster.hub.state()["partitions"]), 120,
               "the renamed hub is read")
    return time.monotonic() - began


def main():
    options = parse()
    cluster = Cluster(place.Run("soak"), nodes=3, partitions=8, devices=200, form="iothub",
                      node_arguments=["--token-lifetime-s", TOKEN_SECONDS]).start()
    report.say(f"{options.minutes:g} minutes, {options.rate} events/s, tokens of {TOKEN_SECONDS} s")
    share = options.minutes * 60 / (RENAMES + 1)
    pauses = []
    for part in range(RENAMES + 1):
        flow(cluster, options.rate, share)
        report.say(f"part {part + 1} of {RENAMES + 1} is delivered")
        if part < RENAMES:
            pauses.append(rename(cluster, f"telemetry-{part + 2}"))
            report.say(f"renamed; read again after {pauses[-1]:.1f} s")
    found = cluster.check()
    result = {"minutes": options.minutes, "renames": RENAMES,
              "rename_s": [round(pause, 1) for pause in pauses],
              **{key: found[key] for key in ("emitted", "delivered", "lost", "duplicates",
                                             "out_of_order")}}
    report.finish(options, result, found["lost"] == 0 and found["out_of_order"] == 0
                  and found["altered"] == 0)


if __name__ == "__main__":
    report.run(main)
