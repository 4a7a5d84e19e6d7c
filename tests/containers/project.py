"""One project of docker-compose.yml, driven by whichever compose tool is there."""

import json
import os
import shutil
import subprocess

from containers.engine import quiet
from harness import http, place
from harness.waiting import wait_until

LABEL = "com.docker.compose"
TAG = "compose-test"
IMAGES = ("holdfast", "holdfast-lab", "holdfast-database", "holdfast-etcd", "holdfast-balancer")
ONCE = ("secrets", "migrate", "lab-secrets", "lab-setup", "ha-setup")


def tools():
    """The compose tools of this machine, Compose v2 first."""
    found = []
    if shutil.which("docker") and quiet("docker", "compose", "version"):
        found.append(["docker", "compose"])
    if shutil.which("docker-compose"):
        found.append(["docker-compose"])
    return found


class Project:
    """Everything of it carries the project's name, and goes with down()."""

    def __init__(self, run, tool, rate, devices):
        self.run = run
        self.tool = tool
        self.name = f"holdfast-test-{os.getpid()}"
        self.given = run.path / "given"
        self.given.mkdir(mode=0o700)
        self.profiles = ["lab"]
        variables = {name.upper().replace("-", "_") + "_IMAGE": f"{name}:{TAG}" for name in IMAGES}
        self.environment = {
            **{key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
            **variables, "COMPOSE_PROJECT_NAME": self.name, "LAB_RATE": str(rate),
            "LAB_DEVICES": str(devices), "HOLDFAST_SECRETS_DIR": str(self.given),
            # Any free port.
            "HOLDFAST_HTTP_PORTS": "127.0.0.1:", "LAB_HUB_PORT": "127.0.0.1:",
            "LAB_THINGWORX_PORT": "127.0.0.1:", "LAB_THINGWORX_2_PORT": "127.0.0.1:"}
        proxies = {key: os.environ[key] for key in ("http_proxy", "https_proxy")
                   if key in os.environ}
        self.build_arguments = [f"--build-arg={key}={value}" for key, value in proxies.items()]

    # --- the tool ---

    def compose(self, *arguments, log="compose", check=True):
        profiles = [part for name in self.profiles for part in ("--profile", name)]
        with self.run.log(log).open("ab") as out:
            done = subprocess.run([*self.tool, *profiles, *arguments], stdout=out, stderr=out,
                                  stdin=subprocess.DEVNULL, check=False, cwd=place.ROOT,
                                  env=self.environment)
        if check and done.returncode:
            lines = self.run.log(log).read_text(errors="replace").splitlines()[-40:]
            raise RuntimeError(f"compose {' '.join(arguments)} failed:\n" + "\n".join(lines))
        return done.returncode

    def up(self, *arguments):
        return self.compose("up", "-d", "--no-build", *arguments)

    def down(self):
        """Gives what is left of the project afterwards: nothing."""
        self.profiles = ["lab", "ha", "tools"]
        self.compose("down", "-v", "--remove-orphans", "-t", "5", check=False)
        left = []
        for kind, all_of_them in (("container", ["-a"]), ("volume", []), ("network", [])):
            found = quiet("docker", kind, "ls", "-q", *all_of_them,
                          "--filter", f"label={LABEL}.project={self.name}") or ""
            left += [f"{kind} {name}" for name in found.split()]
        return left

    # --- its containers ---

    def containers(self, service, everything=False):
        """Ids, in the order of their numbers."""
        found = quiet("docker", "ps", "-q", *(["-a"] if everything else []),
                      "--filter", f"label={LABEL}.project={self.name}",
                      "--filter", f"label={LABEL}.service={service}",
                      "--filter", f"label={LABEL}.oneoff=False") or ""
        return sorted(found.split(), key=lambda one: self.inspect(one)["Name"])

    @staticmethod
    def inspect(container):
        return json.loads(quiet("docker", "inspect", container))[0]

    def name_of(self, container):
        return self.inspect(container)["Name"].lstrip("/")

    def services(self):
        """{service: [what docker inspect says of each container]}"""
        ids = quiet("docker", "ps", "-aq", "--filter", f"label={LABEL}.project={self.name}").split()
        found = {}
        for one in json.loads(quiet("docker", "inspect", *ids)) if ids else ():
            found.setdefault(one["Config"]["Labels"][f"{LABEL}.service"], []).append(one)
        return found

    def unsettled(self):
        """Containers that do not run and are healthy, or have not ended well."""
        bad = []
        for service, each in self.services().items():
            for one in each:
                state = one["State"]
                health = state.get("Health", {}).get("Status")
                good = (state["Status"] == "exited" and state["ExitCode"] == 0
                        if service in ONCE else state["Status"] == "running" and
                        health == "healthy")
                if not good:
                    bad.append(f"{one['Name'][1:]} {state['Status']} {health or ''}"
                               f" {state['ExitCode']}")
        return bad

    def wait_settled(self, timeout=180):
        wait_until(lambda: not self.unsettled(), timeout,
                   lambda: f"everything is healthy: {self.unsettled()}", every=0.5)

    def address(self, service, port):
        """Where a port is published on this machine."""
        container = self.containers(service)[0]
        return (quiet("docker", "port", container, str(port)) or "").split("\n")[0]

    def network(self, name):
        return f"{self.name}_{name}"

    # --- the database ---

    def primary(self):
        """The container of the server that takes writes, or None."""
        for service in ("postgres", "postgres-2"):
            for container in self.containers(service):
                if (psql(container, "SELECT pg_is_in_recovery()") or "").strip() == "f":
                    return container
        return None

    def query(self, text):
        """Rows as lists of texts; waits for a primary."""
        def answer():
            container = self.primary()
            return None if container is None else [psql(container, text)]
        answered = wait_until(lambda: (found := answer()) and found[0] is not None and found, 60,
                              "the database answers", every=0.2)
        return [line.split("|") for line in answered[0].splitlines()]

    def live_nodes(self):
        return {row[0] for row in self.query("SELECT node FROM holdfast.nodes")}

    def owners(self):
        """{partition: node}"""
        return dict(self.query("SELECT partition, owner FROM holdfast.partitions"
                               " WHERE state = 'owned' AND owner IS NOT NULL"))

    def leader(self):
        found = self.query("SELECT node FROM holdfast.leader")
        return found[0][0] if found else None


def psql(container, text):
    """What the superuser in the container is answered, None where he is not."""
    return quiet("timeout", "20", "docker", "exec", container, "psql", "--no-psqlrc", "-Atd",
                 "holdfast", "-c", text)


class Lab:
    """The lab's hub and ThingWorx, from outside of their containers."""

    def __init__(self, project):
        self.project = project

    def ask(self, service, path, body=None, method=None):
        method = method or ("GET" if body is None else "POST")
        return http.call(f"http://{self.project.address(service, 8081)}{path}", method, body, 60)

    def ledger(self):
        """(microseconds of acceptance, line) of all platform nodes, in the order of acceptance.

        A platform node that is not there has its ledger in its volume: it must be back.
        """
        lines = []
        for service in ("lab-thingworx", "lab-thingworx-2"):
            if not self.project.containers(service):
                continue
            status, text = http.fetch(
                f"http://{self.project.address(service, 8081)}/ledger", timeout=120)
            assert status == 200, text[:200]
            for line in text.splitlines():
                lines.append((int(line.split("\t", 2)[1]), line))
        # Values of one request have the same moment: they keep their order.
        return sorted(lines, key=lambda entry: entry[0])

    def accepted(self):
        """How many values all platform nodes that answer have taken."""
        count = 0
        for service in ("lab-thingworx", "lab-thingworx-2"):
            if self.project.containers(service):
                try:
                    count += self.ask(service, "/state")["accepted_values"]
                except (OSError, RuntimeError):
                    continue
        return count

    def ends(self):
        """{partition: sequence number of the newest event in the hub}"""
        return {entry["id"]: entry["last"] for entry in self.ask("lab-hub", "/state")["partitions"]
                if entry["last"] >= 0}

    def undelivered(self, ends):
        """{partition: events} up to `ends` that no checkpoint covers."""
        saved = {row[0]: int(row[1]) for row in self.project.query(
            "SELECT partition, sequence FROM holdfast.partitions WHERE sequence IS NOT NULL")}
        behind = {partition: last - saved.get(partition, -1) for partition, last in ends.items()}
        return {partition: events for partition, events in behind.items() if events > 0}
