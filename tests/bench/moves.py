"""./dev bench moves: how long a partition pauses when it is moved on purpose, by kind of move.

For each kind a cluster of its own under the demo's load. The pause of a partition that was moved is the
longest time between two of its events that ThingWorx accepted while the moves ran, so also what has
nothing to do with a move counts; `still` is the same for all partitions when nothing moves. The strict
bounds are here, not in the tests: no duplicate, and no pause beyond the limit.
"""

import time

from bench import report
from harness import pauses, place
from harness.cluster import Cluster
from harness.postgres import Postgres
from harness.waiting import wait_until

LIMIT_MS = 500
SETTLED_SECONDS = 1.0


def parse():
    parser = report.parser("moves", __doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=3, help="connector nodes")
    parser.add_argument("--partitions", type=int, default=8, help="partitions of the hub")
    parser.add_argument("--devices", type=int, default=200, help="devices that send")
    parser.add_argument("--rate", type=int, default=2000, help="events per second in all")
    parser.add_argument("--rounds", type=int, default=3, help="how often each kind is done")
    parser.add_argument("--kind", choices=sorted(KINDS), action="append", help="only this one")
    return parser.parse_args()


def admin(cluster, text, *arguments):
    cluster.query(text, arguments, user="admin")


def owned_by_all(cluster):
    wait_until(lambda: len(cluster.owners()) == cluster.hub.partitions, 30, "all have an owner")


def still(cluster, _round):
    time.sleep(2)  # the span itself is measured here


def join(cluster, number):
    cluster.add_node(f"late-{number}")
    cluster.wait_balanced(60)


def leave(cluster, _round):
    node = next(node for node in cluster.nodes.values() if node.alive)
    node.stop()
    owned_by_all(cluster)
    node.start()
    cluster.wait_balanced(60)


def drain(cluster, _round):
    name = sorted(cluster.nodes)[0]
    admin(cluster, "SELECT holdfast.drain_node(%s)", name)
    wait_until(lambda: cluster.partitions_of(name) == [], 60, "it is drained")
    admin(cluster, "SELECT holdfast.undrain_node(%s)", name)
    cluster.wait_balanced(60)


def move(cluster, _round):
    for partition, owner in sorted(cluster.owners().items()):
        to = sorted(cluster.nodes)[(sorted(cluster.nodes).index(owner) + 1) % len(cluster.nodes)]
        admin(cluster, "SELECT holdfast.move_partition('demo', %s, %s, pin => true)", partition, to)
        wait_until(lambda: cluster.owners().get(partition) == to, 60, "it is moved")
    for partition in cluster.owners():
        admin(cluster, "SELECT holdfast.unpin_partition('demo', %s)", partition)
    cluster.wait_balanced(60)


def rolling(cluster, _round):
    for node in list(cluster.nodes.values()):
        node.stop()
        owned_by_all(cluster)
        node.start()
        cluster.wait_balanced(60)


KINDS = {"still": still, "join": join, "leave": leave, "drain": drain, "move": move,
         "rolling_restart": rolling}


def moved_since(cluster, since_us):
    return [row.partition for row in cluster.query(
        "SELECT DISTINCT partition FROM holdfast.partition_history"
        " WHERE since > to_timestamp(%s)", (since_us / 1e6,))]


def measure(kind, options, run, postgres):
    """One kind of move, on a cluster of its own in the common PostgreSQL."""
    cluster = Cluster(run.part(kind), nodes=options.nodes, partitions=options.partitions,
                      devices=options.devices, postgres=postgres, database=f"moves_{kind}")
    cluster.start()
    cluster.hub.generate(devices=options.devices, rate=options.rate)
    wait_until(lambda: len(cluster.checkpoints()) == options.partitions, 60, "events are delivered")
    time.sleep(SETTLED_SECONDS)  # starting up is not what is measured
    longest = []
    for number in range(options.rounds):
        since = int(time.time() * 1e6)
        KINDS[kind](cluster, number)
        time.sleep(SETTLED_SECONDS)  # what the last move has left behind counts too
        found = pauses.greatest(cluster, since, int(time.time() * 1e6))
        longest += [found.get(partition) for partition in moved_since(cluster, since)
                    or (found if kind == "still" else [])]
    cluster.hub.stop_generator()
    cluster.wait_delivered(120)
    found = cluster.check()
    moves = cluster.query("SELECT count(*) AS moves FROM holdfast.ownership WHERE how <> 'first'")
    cluster.stop()
    return {"pause_ms": report.spread(longest), "ownerships_changed": moves[0].moves,
            "duplicates": found["duplicates"], "lost": found["lost"],
            "out_of_order": found["out_of_order"]}


def main():
    options = parse()
    run = place.Run("moves")
    postgres = Postgres(run).start()
    result = {}
    for kind in options.kind or KINDS:
        result[kind] = measure(kind, options, run, postgres)
        report.say(f"{kind}: {result[kind]}")
    result["limit_ms"] = LIMIT_MS
    report.finish(options, result, all(good(result[kind]) for kind in options.kind or KINDS))


def good(one):
    return (one["duplicates"], one["lost"], one["out_of_order"]) == (0, 0, 0) and (
        one["pause_ms"]["max"] is not None and one["pause_ms"]["max"] <= LIMIT_MS)


if __name__ == "__main__":
    report.run(main)
