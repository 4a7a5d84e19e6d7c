"""./dev bench failover: kills the leader again and again and measures how long delivery pauses.

leader_ms runs from the kill to the beginning of the next term, partitions_ms from the kill to the
first event that ThingWorx accepted from every orphaned partition through its new owner.
"""

import time

from bench import report
from harness import place
from harness.cluster import Cluster
from harness.waiting import wait_until


def parse():
    parser = report.parser("failover", __doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="how often the leader is killed")
    parser.add_argument("--nodes", type=int, default=3, help="connector nodes")
    parser.add_argument("--partitions", type=int, default=8, help="partitions of the hub")
    parser.add_argument("--devices", type=int, default=200, help="devices that send")
    parser.add_argument("--rate", type=int, default=2000, help="events per second in all")
    return parser.parse_args()


def flowing(cluster):
    """Waits until every partition is delivered by its present owner."""
    cluster.wait_balanced(60)
    before = cluster.checkpoints()

    def moved():
        now = cluster.checkpoints()
        return len(now) == cluster.hub.partitions and all(
            now[partition] > before.get(partition, -1) for partition in now)

    wait_until(moved, 60, "every partition moves on")


def kill_leader(cluster):
    """Kills the leader; gives what is needed to judge the fail-over later."""
    victim = wait_until(cluster.leader, 30, "there is a leader")
    orphans = cluster.partitions_of(victim)
    killed_at = time.time()
    cluster.nodes[victim].kill()
    term_us = wait_until(lambda: cluster.term_after(killed_at), 30, "another node leads")
    return {"victim": victim, "orphans": orphans, "at_us": int(killed_at * 1e6),
            "leader_ms": term_us / 1000 - killed_at * 1000}


def partitions_ms(cluster, kill):
    found = cluster.check(since_us=kill["at_us"], not_sender=kill["victim"], names="seq")
    first = [found["first_accepted_us"].get(partition) for partition in kill["orphans"]]
    if not first or not all(first):
        return None
    return (max(first) - kill["at_us"]) / 1000


def main():
    options = parse()
    cluster = Cluster(place.Run("failover"), nodes=options.nodes, partitions=options.partitions,
                      devices=options.devices).start()
    # A node that is killed again and again would wait for partitions, and the next kill with it.
    cluster.query("SELECT holdfast.set_setting('flap_hold_ms', '0')", user="admin")
    cluster.hub.generate(devices=options.devices, rate=options.rate)
    kills = []
    for number in range(1, options.kills + 1):
        flowing(cluster)
        kill = kill_leader(cluster)
        kills.append(kill)
        report.say(f"kill {number}: {kill['victim']} with {len(kill['orphans'])} partitions, "
                   f"next term after {kill['leader_ms']:.1f} ms")
        wait_until(lambda: len(cluster.owners()) == options.partitions, 30,
                   "the orphans have new owners")
        cluster.nodes[kill["victim"]].start()
    flowing(cluster)
    cluster.hub.stop_generator()
    cluster.wait_delivered(120)
    report.say("comparing the hub's log with the ledger")
    found = cluster.check()
    result = {
        "kills": len(kills),
        "leader_ms": report.spread([kill["leader_ms"] for kill in kills]),
        "partitions_ms": report.spread([partitions_ms(cluster, kill) for kill in kills]),
        "lost": found["lost"],
        "duplicates": found["duplicates"],
    }
    report.finish(options, result, found["lost"] == 0 and found["out_of_order"] == 0
                  and found["altered"] == 0)


if __name__ == "__main__":
    report.run(main)
