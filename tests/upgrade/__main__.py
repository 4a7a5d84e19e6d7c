"""./dev upgrade-test: nodes of an older commit beside those of today, under load.

The older program is built from the history, and makes its own database. Then, while events flow: the
database is migrated under its nodes; they are replaced one by one; nodes of both are killed while
both are there; all are put back to the older program. In the end everything has arrived once, but for
what the killed nodes had delivered since their last checkpoint.
"""

import argparse
import os
import subprocess
import sys
import time

from harness import older, place, process
from harness.cluster import Cluster
from harness.postgres import Postgres
from harness.process import Died
from harness.waiting import wait_until

RATE = 500
TTL = ["--ttl-ms", "15000"]
UNSAVED_SECONDS = 1.0


class Older(Postgres):
    """A server whose databases are made by the older program, from its own SQL."""

    program = tree = None

    def migrate(self, name="holdfast"):
        migrate(self.program, self.tree, self.dsn("holdfast_migrate", name))


def migrate(program, tree, dsn):
    done = subprocess.run([str(program), "migrate"], capture_output=True, text=True, check=False,
                          env={**os.environ, "HOLDFAST_DATABASE": dsn, "HOLDFAST_SQL_DIR": str(tree)})
    if done.returncode:
        raise Died(f"{program} migrate failed:\n{done.stdout}{done.stderr}")


def say(text):
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


class Upgrade:
    """One cluster on its way up and down."""

    def __init__(self, commit, run):
        self.commit = commit
        self.program, self.tree = older.build(commit)
        # Such a build joins what has been migrated past it; older ones must be told its SQL.
        self.served = (self.tree / older.SERVED_SINCE).exists()
        self.run = run
        self.cluster = None
        self.migrated = False
        self.allowed = 1  # of duplicates

    def place(self, old):
        """What a node of either kind is started with."""
        if not old:
            return {"program": place.program("holdfast")}
        tree = self.tree if self.served or not self.migrated else place.ROOT
        return {"program": self.program, "environment": {"HOLDFAST_SQL_DIR": str(tree)}}

    def start(self):
        postgres = Older(self.run, settings={"fsync": "off"})
        postgres.program, postgres.tree = self.program, self.tree
        postgres.start()
        self.cluster = Cluster(self.run, nodes=3, partitions=6, postgres=postgres, audited=True)
        self.cluster.prepare()
        self.cluster.configure()
        for name in self.cluster.names:
            self.cluster.add_node(name, arguments=TTL, **self.place(old=True))
        self.cluster.wait_balanced(60)
        self.cluster.hub.generate(rate=RATE)
        self.flow()

    def flow(self):
        """Until every partition has gone on since now."""
        before = self.cluster.checkpoints()
        wait_until(lambda: len(self.cluster.checkpoints()) == self.cluster.hub.partitions
                   and all(sequence > before.get(partition, -1) + RATE // 10
                           for partition, sequence in self.cluster.checkpoints().items()),
                   60, lambda: f"every partition goes on: {self.cluster.grants()}")

    def replace(self, name, old):
        status = self.cluster.nodes[name].stop(60)
        assert status == 0, f"{name} ended with {status}"
        self.cluster.add_node(name, arguments=TTL, **self.place(old))
        self.cluster.wait_balanced(60)
        self.flow()
        say(f"  {name} is {'the older' if old else 'the newer'} build now")

    def kill(self, name, old):
        orphans = len(self.cluster.partitions_of(name))
        self.allowed += int(RATE * UNSAVED_SECONDS * orphans / self.cluster.hub.partitions) + 1
        self.cluster.nodes[name].kill()
        wait_until(lambda: name not in self.cluster.owners().values()
                   and len(self.cluster.owners()) == self.cluster.hub.partitions,
                   60, "others own what it had")
        self.cluster.add_node(name, arguments=TTL, **self.place(old))
        self.cluster.wait_balanced(60)
        self.flow()
        say(f"  {name}, {'the older' if old else 'the newer'} build, was killed; "
            f"{orphans} partitions went to the others, and it is back")

    def settle(self):
        emitted = self.cluster.hub.stop_generator()
        self.cluster.wait_delivered(90)
        found = self.cluster.check()
        wrong = [row for row in self.cluster.query("SELECT severity, subject, error FROM holdfast.diagnose()")
                 if row.severity == "error"]
        counts = {key: found[key] for key in ("emitted", "delivered", "lost", "altered", "out_of_order",
                                              "duplicates")}
        say(f"  {counts}, of duplicates {self.allowed - 1} are allowed")
        assert emitted == found["emitted"] > 0 and not wrong, wrong
        assert found["lost"] == found["altered"] == found["out_of_order"] == 0, found
        assert found["duplicates"] < self.allowed, found
        assert not self.cluster.dead_letters()

    def go(self, kill):
        names = self.cluster.names
        say("the database is migrated under the older nodes")
        migrate(place.program("holdfast"), place.ROOT,
                self.cluster.postgres.dsn("holdfast_migrate", self.cluster.database))
        self.migrated = True
        self.flow()
        say("rolling up")
        self.replace(names[0], old=False)
        if kill:
            say("both are there, and lose one each; a leader is handed over both ways")
            self.kill(names[0], old=False)
            self.kill(names[1], old=True)
        for name in names[1:]:
            self.replace(name, old=False)
        say("and back")
        for name in names:
            self.replace(name, old=True)
        self.settle()


def main():
    parser = argparse.ArgumentParser(prog="./dev upgrade-test", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commit", default=older.COMMITS[0],
                        help="the older commit (default: %(default)s)")
    options = parser.parse_args()
    if not older.known(options.commit):
        print(f"SKIPPED: no history back to {options.commit}: this is a shallow clone or an archive")
        return 0
    process.guard()
    run = place.Run("upgrade")
    for kill in (False, True):
        began = time.monotonic()
        say(f"{options.commit} up to this tree and back, "
            + ("with kills" if kill else "every hand-over clean"))
        upgrade = Upgrade(options.commit, run.part("kills" if kill else "clean"))
        try:
            upgrade.start()
            upgrade.go(kill)
        except AssertionError as error:
            say(f"FAILED: {error}; logs: {upgrade.run.path}/log")
            run.keep = True
            return 1
        finally:
            if upgrade.cluster:
                upgrade.cluster.stop()
                upgrade.cluster.postgres.stop()
        say(f"done in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
