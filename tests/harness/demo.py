"""./dev demo: a cluster of nodes, a kill -9, and the proof that nothing was lost."""

import argparse
import json
import pathlib
import shutil
import sys
import time

from harness import place, process
from harness.cluster import Cluster
from harness.postgres import Postgres
from harness.screen import Screen
from harness.waiting import TimedOut, wait_until

HEADER = ("node", "role", "partitions", "events/s", "lag", "checkpoint age")
LONGEST_DRAIN = 120


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="./dev demo", formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Starts PostgreSQL, an event hub, a ThingWorx and a cluster of nodes, kills "
                    "one of them half way, and proves that nothing was lost.")
    parser.add_argument("--seconds", type=positive, default=20, help="how long events flow")
    parser.add_argument("--nodes", type=positive, default=3, help="connector nodes")
    parser.add_argument("--partitions", type=positive, default=8, help="partitions of the hub")
    parser.add_argument("--devices", type=positive, default=200, help="devices that send")
    parser.add_argument("--rate", type=positive, default=2000, help="events per second in all")
    parser.add_argument("--replay", type=pathlib.Path, metavar="DIR", default=None,
                        help="feed the CSV files of DIR (timestamp,value; one file per device) "
                             "instead of generated events")
    parser.add_argument("--kill", choices=("leader", "follower", "none"), default="leader",
                        help="who gets a SIGKILL half way")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", default=None,
                        help="write the result there")
    parser.add_argument("--keep", action="store_true",
                        help="leave the cluster running, to look around in")
    options = parser.parse_args(arguments)
    if options.replay and not list(options.replay.glob("*.csv")):
        parser.error(f"{options.replay} holds no CSV files")
    if options.kill != "none" and options.nodes < 2:
        parser.error("killing a node and going on takes at least two: --nodes 2, or --kill none")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"{options.json.parent} is no folder")
    return options


def replay_devices(folder):
    return sorted(path.stem for path in folder.glob("*.csv"))


class Demo:
    """One run. The numbers come from the hub's log, the ledger and the database."""

    def __init__(self, options):
        self.options = options
        self.screen = Screen()
        self.run = place.Run("demo")
        self.cluster = None
        self.victim = None
        self.orphans = []
        self.ends_at_kill = {}
        self.killed_at = None
        self.leader_ms = None

    def go(self):
        options = self.options
        began = time.monotonic()
        self.screen.say("starting PostgreSQL, the hub, ThingWorx and "
                        f"{options.nodes} node{'s' if options.nodes > 1 else ''} ...")
        postgres = Postgres(self.run, stay=options.keep)
        postgres.start()
        self.cluster = Cluster(self.run, nodes=options.nodes, partitions=options.partitions,
                               devices=options.devices, postgres=postgres, stay=options.keep)
        things = replay_devices(options.replay) if options.replay else None
        self.cluster.start(things=things)
        self.screen.say(f"ready after {time.monotonic() - began:.1f} s; leader is "
                        f"{self.cluster.leader()}")
        if options.replay:
            options.devices = len(things)
            self.cluster.hub.replay(options.replay.resolve(), options.rate)
        else:
            self.cluster.hub.generate(devices=options.devices, rate=options.rate)
        self.flow()
        self.cluster.hub.stop_generator()
        self.drain()
        return self.judge()

    # --- while it runs ---

    def flow(self):
        began = time.monotonic()
        kill_at = began + self.options.seconds / 2
        end_at = began + self.options.seconds
        while (now := time.monotonic()) < end_at:
            if self.options.kill != "none" and self.victim is None and now >= kill_at:
                self.kill()
            left = max(0.0, end_at - time.monotonic())
            self.table(f"{self.options.seconds - left:.0f} of {self.options.seconds} s")
            due = min(end_at, time.monotonic() + (0.25 if self.screen.live else 0.5))
            if self.options.kill != "none" and self.victim is None:
                due = min(due, kill_at)
            time.sleep(max(0.0, due - time.monotonic()))

    def kill(self):
        leader = wait_until(self.cluster.leader, 60, "there is a leader")
        self.victim = leader if self.options.kill == "leader" else next(
            name for name in sorted(self.cluster.nodes) if name != leader)
        self.orphans = self.cluster.partitions_of(self.victim)
        self.ends_at_kill = self.cluster.hub.ends()
        node = self.cluster.nodes[self.victim]
        self.screen.say(f"kill -9 {self.victim} ({self.options.kill}, pid {node.pid}, "
                        f"partitions {', '.join(self.orphans)})")
        self.killed_at = time.time()
        node.kill()
        if self.options.kill == "leader":
            term = wait_until(lambda: self.cluster.term_after(self.killed_at), 60,
                              "another node leads")
            self.leader_ms = round(term / 1000 - self.killed_at * 1000)
            self.screen.say(f"{self.cluster.leader()} leads since {self.leader_ms} ms "
                            "after the kill")

    def table(self, title, force=False):
        cluster = self.cluster
        rows = {row.node: row for row in cluster.watch(
            "SELECT n.node, n.leader, n.partitions, round(n.events_per_second) AS rate,"
            "       sum(p.lag_events) AS lag,"
            "       round(extract(epoch FROM max(p.checkpoint_age)), 1) AS age"
            "  FROM holdfast.nodes n LEFT JOIN holdfast.partitions p ON p.owner = n.node"
            " GROUP BY n.node, n.leader, n.partitions, n.events_per_second")}
        lines = []
        for name, node in cluster.nodes.items():
            row = rows.get(name)
            if not node.alive or row is None:
                lines.append((name, "starting" if node.alive else "killed", "-", "-", "-", "-"))
                continue
            lines.append((name, "leader" if row.leader else "follower", row.partitions,
                          "-" if row.rate is None else row.rate,
                          "-" if row.lag is None else row.lag,
                          "-" if row.age is None else f"{row.age} s"))
        self.screen.show(title, HEADER, lines, force)

    def drain(self):
        """Until everything is delivered, or for a bounded time."""
        deadline = time.monotonic() + LONGEST_DRAIN
        while not self.cluster.delivered_all():
            if time.monotonic() > deadline:
                self.screen.say(f"not everything was delivered within {LONGEST_DRAIN} s")
                break
            self.table("the hub is silent; the rest is being delivered")
            time.sleep(0.1)
        self.table("all is quiet", force=True)
        self.screen.keep()

    # --- the end ---

    def judge(self):
        options = self.options
        found = self.cluster.check()
        partitions_ms = None
        if self.victim:
            since_us = int(self.killed_at * 1e6)
            taken = self.cluster.check(since_us=since_us, not_sender=self.victim)
            first = taken["first_accepted_us"]
            # A partition that no device writes to has nothing to deliver.
            ends = self.cluster.hub.ends()
            orphans = [partition for partition in self.orphans
                       if ends.get(partition, -1) > self.ends_at_kill.get(partition, -1)]
            if orphans and all(first.get(partition) for partition in orphans):
                latest = max(first[partition] for partition in orphans)
                partitions_ms = round((latest - since_us) / 1000)
        counts = {key: found[key] for key in
                  ("emitted", "delivered", "lost", "duplicates", "out_of_order")}
        good = (counts["emitted"] > 0 and counts["delivered"] == counts["emitted"]
                and counts["out_of_order"] == 0 and found["altered"] == 0)
        if options.kill == "leader" and self.leader_ms is None:
            good = False
        result = {"nodes": options.nodes, "partitions": options.partitions,
                  "devices": options.devices, "events": counts,
                  "failover": {"killed": self.victim, "leader_ms": self.leader_ms,
                               "partitions_ms": partitions_ms},
                  "database": {"dsn": self.cluster.postgres.dsn("admin")}}
        if options.json:
            options.json.write_text(json.dumps(result, indent=2) + "\n")
        self.summary(result, found, good)
        return good

    def summary(self, result, found, good):
        events, failover = result["events"], result["failover"]
        say = self.screen.say
        say()
        say(f"{events['emitted']} events of {result['devices']} devices were sent, "
            f"{events['delivered']} arrived in ThingWorx: {events['lost']} lost, "
            f"{events['out_of_order']} out of order, {events['duplicates']} delivered twice.")
        if found["excepted"] or found["altered"]:
            say(f"{found['excepted']} are dead letters, {found['altered']} arrived altered.")
        if failover["killed"]:
            text = f"{failover['killed']} was killed with SIGKILL"
            if failover["leader_ms"] is not None:
                text += f": a new leader after {failover['leader_ms']} ms"
            if failover["partitions_ms"] is not None:
                text += (f"{',' if failover['leader_ms'] is not None else ':'} its partitions "
                         f"delivered again after {failover['partitions_ms']} ms")
            say(text + ".")
        say("Nothing was lost, and every Thing got its values in order." if good else
            "This run FAILED: see the counts above"
            + ("" if self.options.keep else "; run with --keep to look around") + ".")

    def stay(self):
        postgres = self.cluster.postgres
        self.run.leave_running(dsn=postgres.dsn("admin"),
                               superuser_dsn=postgres.dsn("postgres"))
        say = self.screen.say
        say()
        say("The cluster goes on running. Look around with")
        say(f"    psql \"{postgres.dsn('admin')}\"")
        say("or ./dev psql, for example:  SELECT * FROM holdfast.status;")
        say("or at a glance:")
        say(f"    {place.program('holdfast')} status --database \"{postgres.dsn('admin')}\"")
        say(f"Logs: {self.run.path / 'log'}")
        say(f"Control of the stand-ins:  hub {self.cluster.hub.control}   "
            f"ThingWorx {self.cluster.thingworx.control}")
        say("Stop it with  ./dev stop")


def main(arguments=None):
    options = parse(arguments)
    process.guard()
    demo = Demo(options)
    try:
        good = demo.go()
    except KeyboardInterrupt:
        demo.screen.keep()
        print("\ninterrupted; cleaning up", file=sys.stderr)
        sys.exit(130)
    except (TimedOut, process.Died, RuntimeError, FileNotFoundError) as error:
        demo.screen.keep()
        print(f"the demo failed: {error}", file=sys.stderr)
        kept = place.ROOT / "build" / "demo-logs"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(demo.run.path / "log", kept)
        print(f"the logs are in {kept}", file=sys.stderr)
        sys.exit(1)
    if options.keep:
        demo.stay()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
