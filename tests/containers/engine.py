"""A Docker engine: the one that answers, or one of our own that leaves nothing behind."""

import os
import pathlib
import re
import shutil
import subprocess

from harness import place
from harness.process import Child
from harness.waiting import wait_until

BASE = "debian:bookworm-slim"
CACHE = place.ROOT / "build/containers"
# Of the machine's apt configuration: how to get at packages, and no more.
APT_LINE = re.compile(r"^Acquire::(https?::|ftp::|Check-|Retries|Max-ValidTime).* \"[^\"]*\";$")


def quiet(*command, **more):
    """Runs a command; gives what it printed, or None where it failed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          check=False, **more)
    return done.stdout if done.returncode == 0 else None


def act(*command, tries=1):
    """Runs a command that must succeed; on a busy machine the engine may need a second try."""
    for left in reversed(range(tries)):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                              check=False)
        if done.returncode == 0:
            return
        if left == 0:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")


def answers():
    """Is there an engine that we may use?"""
    return shutil.which("docker") is not None and bool(
        quiet("docker", "info", "--format", "{{.ServerVersion}}"))


def has_image(name):
    return quiet("docker", "image", "inspect", name) is not None


class Firewall:
    """What an engine changes of the machine's network, so that it can be undone."""

    def __init__(self):
        self.rules = self._rules()
        self.forward = pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text(encoding="ascii")

    @staticmethod
    def _rules():
        """{table: lines of iptables -S}, without those of other tools' tables."""
        return {table: (quiet("iptables", "-w", "-t", table, "-S") or "").splitlines()
                for table in ("filter", "nat")}

    def restore(self):
        """Takes away the rules that were not there, then the chains; policies as they were."""
        for table, now in self._rules().items():
            before = self.rules[table]
            added = [line for line in now if line not in before]
            removals = [line.replace("-A ", "-D ", 1) for line in added if line.startswith("-A ")]
            chains = [line.split()[1] for line in added if line.startswith("-N ")]
            policies = [line for line in before if line.startswith("-P ") and line not in now]
            for rule in (*removals, *(f"-F {name}" for name in chains),
                         *(f"-X {name}" for name in chains), *policies):
                quiet("iptables", "-w", "-t", table, *rule.split())
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text(self.forward, encoding="ascii")


class Engine:
    """start() finds or starts one; stop() ends what start() started."""

    def __init__(self, run, say, keep_images):
        self.run = run
        self.say = say
        self.keep_images = keep_images
        self.child = None
        self.firewall = None

    @property
    def ours(self):
        return self.child is not None

    def start(self):
        if answers():
            version = quiet("docker", "info", "--format", "{{.ServerVersion}}").strip()
            self.say(f"a Docker engine answers: {version}")
            return self
        if os.getuid() != 0 or shutil.which("dockerd") is None:
            raise RuntimeError("no Docker engine answers, and none can be started: that takes root"
                               " and the package docker.io")
        self.firewall = Firewall()
        folder = self.run.path / "engine"
        folder.mkdir()
        data = CACHE / "engine" if self.keep_images else folder / "data"
        os.environ["DOCKER_HOST"] = f"unix://{folder}/sock"
        self.child = Child("dockerd", [shutil.which("dockerd"), "--data-root", data,
                                       "--exec-root", folder / "exec", "--pidfile", folder / "pid",
                                       "--host", os.environ["DOCKER_HOST"]],
                           self.run.log("dockerd"), death_signal=15)
        self.run.note_children()
        wait_until(lambda: self.child.require_alive() or answers(), 60, "the engine answers")
        driver = quiet("docker", "info", "--format", "{{.ServerVersion}}, {{.Driver}}").strip()
        self.say(f"started a Docker engine of our own: {driver}")
        return self

    def base_image(self):
        """The base image: there, from a registry, or, in our own engine only, a stand-in."""
        if has_image(BASE):
            return
        if quiet("timeout", "60", "docker", "pull", "-q", BASE) is not None:
            self.say(f"{BASE} comes from its registry")
            return
        if not self.ours:
            raise RuntimeError(f"the engine has no {BASE} and reaches no registry; a stand-in is"
                               " made only in an engine of our own")
        archive = CACHE / "base.tar"
        if not archive.exists():
            self.say(f"no registry answers: making {BASE} with debootstrap (once)")
            bootstrap(self.run.path / "engine" / "base", archive)
        with archive.open("rb") as file:
            subprocess.run(["docker", "import", "-c", 'CMD ["bash"]', "-", BASE], stdin=file,
                           stdout=subprocess.DEVNULL, check=True)
        self.say(f"{BASE} is a stand-in made from this machine's own Debian mirror")

    def stop(self):
        if self.child is None:
            return
        self.child.stop(60)
        for place_of_mount in reversed(mounts(self.run.path / "engine", CACHE / "engine")):
            quiet("umount", "--lazy", place_of_mount)
        quiet("ip", "link", "delete", "docker0")
        self.firewall.restore()
        self.child = None


def mounts(*folders):
    """What is mounted at or below the folders, as an engine that ended has left it."""
    lines = pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    points = [pathlib.Path(line.split()[1]) for line in lines]
    return [point for point in points
            if any(point == folder or folder in point.parents for folder in folders)]


def mirror():
    """Where this machine gets bookworm from."""
    found = quiet("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)",
                  "Created-By: Packages") or ""
    for line in found.splitlines():
        uri, codename, component = line.split()
        if codename == "bookworm" and component == "main":
            return uri
    return "http://deb.debian.org/debian"


def bootstrap(root, archive):
    """A minimal Debian with this machine's way to get packages, as a tar file."""
    log = subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates",
                          "bookworm", root, mirror()], capture_output=True, text=True, check=False)
    if log.returncode:
        raise RuntimeError(f"debootstrap failed:\n{log.stdout[-2000:]}{log.stderr[-2000:]}")
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    for path in (pathlib.Path("/etc/apt/sources.list"),
                 *pathlib.Path("/etc/apt/sources.list.d").glob("*")):
        if (path.suffix in (".list", ".sources") and path.exists() and
                "debian" in path.read_text(encoding="utf-8")):
            shutil.copy(path, root / str(path)[1:])
    lines = (quiet("apt-config", "dump") or "").splitlines()
    (root / "etc/apt/apt.conf.d/00machine").write_text(
        "".join(f"{line}\n" for line in lines if APT_LINE.match(line)), encoding="utf-8")
    for litter in (root / "var/cache/apt/archives").glob("*.deb"):
        litter.unlink()
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
    archive.parent.mkdir(parents=True, exist_ok=True)
    part = archive.with_suffix(".part")
    subprocess.run(["tar", "-C", root, "-cf", part, "."], check=True)
    part.replace(archive)
    shutil.rmtree(root)


