"""./dev compose-test: docker-compose.yml on a real engine, from nothing to nothing."""

import argparse
import secrets
import shutil
import subprocess
import sys
import time

from containers import judge
from containers.engine import BASE, Engine, act, answers, has_image, quiet
from containers.project import TAG, Lab, Project, tools
from harness import place
from harness.process import tail
from harness.waiting import wait_until

TRUST = 5  # seconds: HOLDFAST_TTL_MS in .env.example
KEPT = place.ROOT / "build/containers/failed"


def parse():
    parser = argparse.ArgumentParser(prog="./dev compose-test", description=__doc__.split(": ")[1])
    parser.add_argument("--short", action="store_true",
                        help="no pair of databases: what CI has time for")
    parser.add_argument("--only-if-ready", action="store_true",
                        help="do nothing unless an engine answers and has what takes long")
    parser.add_argument("--keep-images", action="store_true",
                        help="an engine of our own keeps its images in build/containers")
    parser.add_argument("--rate", type=int, default=200, help="events per second (200)")
    parser.add_argument("--devices", type=int, default=100, help="devices that send (100)")
    parser.add_argument("--tool", help="v2 or v1, if both are there")
    return parser.parse_args()


def pick_tool(wanted):
    found = tools()
    if wanted:
        found = [tool for tool in found if (len(tool) == 2) == (wanted == "v2")]
    if not found:
        raise RuntimeError("no compose tool: install docker-compose, or the plugin of Docker")
    return found[0]


class Trial:
    """One run. A step is a function; each is timed, and the longest gap in it told at the end."""

    def __init__(self, options):
        self.options = options
        self.run = place.Run("compose")
        self.engine = Engine(self.run, self.say, options.keep_images)
        self.project = None
        self.lab = None
        self.steps = []
        self.figures = []
        self.failures = []

    @staticmethod
    def say(text):
        print(text, flush=True)

    def figure(self, text):
        self.figures.append(text)
        self.say(f"   {text}")

    def step(self, name, action):
        begin = time.time()
        self.say(f"-- {name}")
        action()
        self.steps.append((name, begin, time.time()))

    def expect(self, good, text):
        if not good:
            self.failures.append(text)
            self.say(f"   WRONG: {text}")

    # --- getting there ---

    def prepare(self):
        self.engine.start()
        tool = pick_tool(self.options.tool)
        self.project = Project(self.run, tool, self.options.rate, self.options.devices)
        self.lab = Lab(self.project)
        known = [" ".join(each) for each in tools()]
        self.say(f"compose tools: {', '.join(known)}; used: {' '.join(tool)}")
        if ["docker", "compose"] not in tools():
            self.say("   Compose v2 is not on this machine: only 1.29 is tried")
        self.engine.base_image()
        for each in tools():
            self.project.tool, used = each, self.project.tool
            self.project.compose("--profile", "ha", "--profile", "tools", "config", "-q")
            self.project.tool = used

    def build(self):
        self.project.profiles = ["lab"] if self.options.short else ["lab", "ha"]
        began = time.monotonic()
        self.project.compose("build", *self.project.build_arguments, log="build")
        self.project.profiles = ["lab"]
        self.figure(f"images built in {time.monotonic() - began:.0f} s (what was not in the cache)")
        sizes = quiet("docker", "image", "ls", "--filter", f"reference=*:{TAG}",
                      "--format", "{{.Repository}} {{.Size}}").split("\n")
        base = quiet("docker", "image", "ls", BASE, "--format", "{{.Size}}").strip()
        self.figure(f"sizes: {', '.join(sorted(filter(None, sizes)))}; base image {base}")

    def up(self):
        began = time.monotonic()
        (self.project.given / "node").mkdir(mode=0o700)
        (self.project.given / "reader-password").write_text("a password of one's own:\\1\n")
        self.project.up()
        wait_until(self.lab.accepted, 300, "the first value arrives")
        self.figure(f"telemetry arrives {time.monotonic() - began:.1f} s after `up`, with built images")
        self.project.wait_settled()
        names = {self.project.name_of(one) for one in self.project.containers("node")}
        wait_until(lambda: self.project.live_nodes() == names, 60,
                   lambda: f"nodes are called as their containers {names}:"
                           f" {self.project.live_nodes()}", every=0.5)
        self.wait_shared()
        for problem in judge.loose_ends(self.project):
            self.expect(False, problem)

    # --- what must hold again after every fault ---

    def wait_shared(self, nodes=None):
        """All partitions are owned, by as many nodes as there are, and values arrive."""
        count = nodes or len(self.project.containers("node"))

        def shared():
            owners = self.project.owners()
            return len(owners) == 8 and len(set(owners.values())) == count

        wait_until(shared, 120, lambda: f"8 partitions are shared by {count} nodes:"
                                        f" {self.project.owners()}", every=0.5)
        # What was left undone is the last fault's, not the next one's.
        ends = self.lab.ends()
        wait_until(lambda: not self.lab.undelivered(ends), 120,
                   lambda: f"what is due is delivered: {self.lab.undelivered(ends)}", every=0.5)
        self.wait_flow()

    def wait_flow(self):
        before = self.lab.accepted()
        wait_until(lambda: self.lab.accepted() > before + 10, 120, "values arrive", every=0.2)

    def scale(self):
        self.project.up("--no-recreate", "--scale", "node=5")
        self.wait_shared(5)
        self.project.up("--no-recreate", "--scale", "node=3")
        self.wait_shared(3)

    def leader_container(self):
        leader = wait_until(self.project.leader, 60, "somebody leads")
        return next(one for one in self.project.containers("node")
                    if self.project.name_of(one) == leader)

    def others_own_all(self, container):
        name = self.project.name_of(container)

        def taken():
            owners = self.project.owners()
            return len(owners) == 8 and name not in owners.values()

        wait_until(taken, 120, lambda: f"others own what {name} had: {self.project.owners()}")

    # --- faults ---

    def node_killed(self):
        container = self.leader_container()
        act("docker", "kill", container)
        self.others_own_all(container)
        act("docker", "start", container)
        self.wait_shared(3)

    def node_paused(self):
        container = self.leader_container()
        act("docker", "pause", container, tries=5)
        self.others_own_all(container)
        act("docker", "unpause", container)
        self.wait_shared(3)

    def node_cut_off(self):
        container = self.leader_container()
        networks = [self.project.network(name) for name in ("database", "default")]
        for network in networks:
            act("docker", "network", "disconnect", network, container)
        self.others_own_all(container)
        for network in networks:
            act("docker", "network", "connect", network, container)
        self.wait_shared(3)

    def database_cut_off(self):
        container = self.project.primary()
        alias = self.project.inspect(container)["Config"]["Labels"]["com.docker.compose.service"]
        network = self.project.network("database")
        act("docker", "network", "disconnect", network, container)
        self.wait_flow()
        time_to_notice = time.monotonic() + TRUST + 2  # the nodes give up their leases meanwhile
        wait_until(lambda: time.monotonic() > time_to_notice, TRUST + 5, "leases have run out")
        self.wait_flow()
        act("docker", "network", "connect", "--alias", alias, network, container)
        self.wait_shared(3)

    def database_killed(self):
        """And comes back with another password for the nodes, which they take without a restart."""
        (self.project.given / "connector-password").write_text(secrets.token_hex(16) + "\n")
        self.project.compose("run", "--rm", "secrets")
        container = self.project.primary()
        act("docker", "kill", container)
        self.wait_flow()
        act("docker", "start", container)
        self.wait_shared(3)
        self.project.wait_settled()

    def upgraded(self):
        """The nodes, one by one, to another image, by the script that an operator uses."""
        before = set(self.project.containers("node"))
        environment = {**self.project.environment, "HOLDFAST_VERSION": "0.1.0-next",
                       "COMPOSE": " ".join(self.project.tool)}
        self.project.environment["HOLDFAST_VERSION"] = "0.1.0-next"
        duplicates = self.duplicates()
        self.project.compose("build", *self.project.build_arguments, "node", log="build")
        with self.run.log("upgrade").open("ab") as out:
            done = subprocess.run([place.ROOT / "deploy/compose/upgrade-nodes"], stdout=out,
                                  stderr=out, check=False, env=environment, cwd=place.ROOT)
        if done.returncode:
            raise RuntimeError(f"upgrade-nodes failed: {tail(self.run.log('upgrade'))}")
        self.wait_shared(3)
        self.expect(not before & set(self.project.containers("node")), "a node was not replaced")
        image = self.project.inspect(self.project.containers("node")[0])["Config"]["Labels"]
        self.expect(image["org.opencontainers.image.version"] == "0.1.0-next", "the old image")
        more = self.duplicates() - duplicates
        self.figure(f"duplicates by the upgrade: {more}")
        self.expect(more == 0, f"{more} duplicates by an upgrade of nodes that drain")

    def duplicates(self):
        """Acceptances of an event beyond the first, so far."""
        seen = [tuple(line.split("\t")[index] for index in (3, 6))
                for _at, line in self.lab.ledger() if line.split("\t")[4] == "seq"]
        return len(seen) - len(set(seen))

    # --- the pair ---

    def pair(self):
        """A single database becomes one of a pair, and ThingWorx gets a second node."""
        self.project.profiles = ["lab", "ha"]
        self.project.up("--no-recreate")
        self.project.wait_settled(300)
        self.wait_synchronous()
        self.wait_shared(3)

    def wait_synchronous(self):
        """Patroni promotes only what it has written down as synchronous."""
        def known():
            container = self.project.primary()
            return container and "Sync Standby" in (quiet(
                "docker", "exec", container, "patronictl", "-c",
                "/run/postgresql/patroni/patroni.yml", "list") or "")

        wait_until(known, 180, "a standby follows synchronously", every=1)

    def primary_killed(self):
        old = self.project.primary()
        act("docker", "kill", old)
        new = wait_until(self.project.primary, 180, "another server takes writes", every=0.2)
        self.expect(new != old, "the server that was killed is primary")
        self.wait_shared(3)
        act("docker", "start", old)
        self.wait_synchronous()
        self.project.wait_settled()

    def primary_cut_off(self):
        old = self.project.primary()
        service = self.project.inspect(old)["Config"]["Labels"]["com.docker.compose.service"]
        networks = [self.project.network(name) for name in ("database", "consensus")]
        for network in networks:
            act("docker", "network", "disconnect", network, old)
        other = self.project.containers("postgres" if service == "postgres-2" else "postgres-2")[0]
        wait_until(lambda: self.project_primary_is(other), 180, "the other server takes writes",
                   every=0.5)
        self.wait_flow()
        for network in networks:
            act("docker", "network", "connect", "--alias", service, network, old)
        self.wait_synchronous()
        self.wait_shared(3)
        self.project.wait_settled()

    @staticmethod
    def project_primary_is(container):
        return (quiet("docker", "exec", container, "psql", "-Atd", "postgres", "-c",
                      "SELECT pg_is_in_recovery()") or "").strip() == "f"

    def platform_node_killed(self):
        container = self.project.containers("lab-thingworx")[0]
        act("docker", "kill", container)
        self.wait_flow()
        act("docker", "start", container)
        self.project.wait_settled()
        self.wait_flow()

    def platform_node_offline(self):
        self.lab.ask("lab-thingworx-2", "/fault", {"kind": "not_ready", "ready": True})
        wait_until(lambda: self.lab.ask("lab-thingworx-2", "/state")["in_flight"] == 0, 60,
                   "it has answered what it had")
        self.wait_flow()
        self.lab.ask("lab-thingworx-2", "/fault", method="DELETE")
        self.wait_flow()

    # --- the end ---

    def verdict(self):
        self.lab.ask("lab-hub", "/stop", {})
        ends = self.lab.ends()
        wait_until(lambda: not self.lab.undelivered(ends), 180,
                   lambda: f"everything is delivered: {self.lab.undelivered(ends)}", every=0.5)
        ledger = self.lab.ledger()
        result = judge.compare(self.project, ledger)
        dead = int(self.project.query("SELECT count(*) FROM holdfast.dead_letters")[0][0])
        self.figure(f"{result['emitted']} events sent: {result['lost']} lost, {result['altered']}"
                    f" altered, {result['out_of_order']} out of order, {result['duplicates']}"
                    f" arrived twice, {dead} dead letters")
        for what in ("lost", "altered", "out_of_order"):
            self.expect(result[what] == 0, f"{what}: {result[what]}"
                                           f" {result.get(what + '_examples', '')}")
        self.expect(result["emitted"] > 0, "nothing was sent")
        self.expect(dead == 0, f"{dead} dead letters")
        self.say("longest time without a value, by what happened:")
        for name, begin, end in self.steps:
            if begin > ledger[0][0] / 1e6:
                gap = judge.longest_gap(ledger, begin * 1e6, end * 1e6)
                self.say(f"   {gap:6.2f} s  {name} ({end - begin:.0f} s)")

    def go(self):
        self.step("engine, tools, base image", self.prepare)
        self.step("build", self.build)
        self.step("docker-compose up, profile lab", self.up)
        self.step("--scale node=5 and back to 3", self.scale)
        self.step("the leading node is killed", self.node_killed)
        self.step("the leading node is paused", self.node_paused)
        self.step("the leading node is cut off", self.node_cut_off)
        self.step("the database is cut off", self.database_cut_off)
        self.step("the database is killed, and the nodes' password changed", self.database_killed)
        self.step("the nodes are upgraded one by one", self.upgraded)
        if not self.options.short:
            self.step("profile ha on the running project", self.pair)
            self.step("the primary of the pair is killed", self.primary_killed)
            self.step("the primary of the pair is cut off", self.primary_cut_off)
            self.step("a platform node is killed", self.platform_node_killed)
            self.step("a platform node is set offline", self.platform_node_offline)
        self.step("everything is delivered, and compared", self.verdict)

    def keep_logs(self):
        """Of a run that failed: what the containers said, and our own logs."""
        shutil.rmtree(KEPT, ignore_errors=True)
        KEPT.mkdir(parents=True)
        for each in self.project.services().values() if self.project else ():
            for one in each:
                with (KEPT / f"{one['Name'][1:]}.log").open("wb") as out:
                    subprocess.run(["docker", "logs", one["Id"]], stdout=out, stderr=out,
                                   check=False)
        for path in (self.run.path / "log").glob("*.log"):
            shutil.copy(path, KEPT)
        self.say(f"logs: {KEPT}")

    def end(self):
        if self.project:
            for what in self.project.down():
                self.expect(False, f"left behind: {what}")
        self.engine.stop()


def main():
    options = parse()
    if options.only_if_ready and not (tools() and answers() and has_image(BASE) and
                                      has_image(f"holdfast-database:{TAG}")):
        print(f"skipped: no compose tool and engine that has {BASE} and the images of an earlier"
              " ./dev compose-test")
        return 0
    trial = Trial(options)
    began = time.monotonic()
    try:
        trial.go()
    except (AssertionError, RuntimeError, OSError) as error:
        trial.expect(False, f"{type(error).__name__}: {error}")
    finally:
        if trial.failures or sys.exc_info()[0]:
            trial.keep_logs()
        trial.end()
    print(f"\ncompose-test: {'FAILED' if trial.failures else 'passed'},"
          f" {len(trial.steps)} steps, {time.monotonic() - began:.0f} s")
    for text in (*trial.figures, *(f"WRONG: {each}" for each in trial.failures)):
        print(f"  {text}")
    return 1 if trial.failures else 0


if __name__ == "__main__":
    sys.exit(main())
