#!/usr/bin/python3
"""./dev package-test: installs the Debian package in a clean system, runs it there, and removes it.

The system is a minimal Debian 12 of debootstrap in a folder of its own, so this needs root and a mirror;
where there is none it says so, and passes. The node is told of a service manager that listens outside.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import boot
from harness import place, process
from harness.manager import Manager
from harness.postgres import Postgres
from harness.process import Child
from harness.waiting import wait_until
from release import call, debian_package

MIRROR = "http://deb.debian.org/debian"
SUITE = "bookworm"
# Records of dpkg, apt and adduser themselves.
RECORDS = re.compile(r"^((proc|sys|dev|tmp|run|root|var/(log|cache|lib/(dpkg|apt|systemd)))(/|$)"
                     r"|etc/(passwd|group|shadow|gshadow)-$|etc/ld.so.cache)")


def say(text):
    print(f"package-test: {text}", flush=True)


def skip(why):
    say(f"SKIPPED: {why}")
    sys.exit(0)


class System:
    """A clean Debian below a folder."""

    def __init__(self, folder, mirror, base):
        self.root = folder / "system"
        began = time.monotonic()
        command = (["cp", "-a", base, self.root] if base else
                   ["debootstrap", "--variant=minbase", SUITE, self.root, mirror])
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            skip(f"no system could be made: {(done.stdout + done.stderr).splitlines()[-1:]}")
        call("mount", "-t", "proc", "proc", self.root / "proc")
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        policy = self.root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        say(f"a clean {SUITE} in {time.monotonic() - began:.0f} s")

    def run(self, *command, **more):
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive",
                       "LC_ALL": "C.UTF-8", **more.pop("environment", {})}
        return call("chroot", self.root, *command, env=environment, **more)

    def files(self):
        """Every file and folder but records, by name."""
        found = set()
        for folder, folders, files in os.walk(self.root):
            here = os.path.relpath(folder, self.root)
            names = {name: os.path.normpath(os.path.join(here, name)) for name in folders + files}
            folders[:] = [name for name in folders if not RECORDS.match(names[name])]
            found |= {name for name in names.values() if not RECORDS.match(name)}
        return found

    def knows_user(self):
        return any(line.startswith("holdfast:") for name in ("passwd", "group")
                   for line in (self.root / "etc" / name).read_text().splitlines())

    def path(self, name):
        return self.root / name.lstrip("/")


def newer(package, folder):
    """The same package with a higher version."""
    tree = folder / "newer"
    call("dpkg-deb", "--raw-extract", package, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^(Version: \S+)$", r"\1+newer", control.read_text(), flags=re.M))
    call("dpkg-deb", "--root-owner-group", "--build", tree, folder / "newer.deb")
    return folder / "newer.deb"


def install_dependencies(system, package):
    depends = call("dpkg-deb", "--field", package, "Depends").replace("\n", " ")
    names = [part.split()[0] for part in depends.split(",")]
    system.run("apt-get", "-q", "-y", "update")
    system.run("apt-get", "-q", "-y", "install", "--no-install-recommends", *names)


def install(system, package):
    shutil.copy(package, system.path("/tmp/holdfast.deb"))
    return system.run("dpkg", "--install", "/tmp/holdfast.deb")


def runs(system, run, postgres):
    """The program migrates a database, and its node becomes ready, as its own user."""
    say(system.run("holdfast", "--version").strip())
    postgres.create_database("packaged")
    environment = {}
    for role, owner in (("holdfast_migrate", "root"), ("node", "holdfast")):
        passfile = system.path(f"/etc/holdfast/secrets/{role}.pgpass")
        shutil.copy(postgres.passfile, passfile)
        passfile.chmod(0o600)
        system.run("chown", owner, f"/etc/holdfast/secrets/{role}.pgpass")
        environment[role] = {"HOLDFAST_DATABASE": re.sub(
            r"passfile=\S+", f"passfile=/etc/holdfast/secrets/{role}.pgpass",
            postgres.dsn(role, "packaged"))}
    system.run("holdfast", "migrate", environment=environment["holdfast_migrate"])
    with contextlib.closing(Manager(run.path, abstract=True)) as manager:
        node = Child("packaged", ["/usr/sbin/chroot", "--userspec=holdfast:holdfast", system.root,
                                  "/usr/bin/holdfast", "node", "--name", "packaged", "--http-port",
                                  "0", "--secrets", "/etc/holdfast/secrets"],
                     run.log("packaged"),
                     env={**environment["node"], "NOTIFY_SOCKET": manager.address})
        wait_until(lambda: node.require_alive() or manager.heard("READY"), 30, "the node is ready")
        say(f"the node is ready: {manager.said[-1]['STATUS']}")
        node.signal(signal.SIGTERM)
        assert node.wait(30) == 0
        assert manager.heard("STOPPING") >= 1


def can_be_read(system):
    for page in sorted(system.path("/usr/share/man").rglob("holdfast*.gz")):
        call("lexgrog", page)
        assert len(call("man", "-l", page, env={**os.environ, "MANWIDTH": "80"})) > 500
    configuration = system.path("/etc/holdfast/holdfast.conf")
    assert configuration.stat().st_mode & 0o007 == 0
    secrets = system.path("/etc/holdfast/secrets").stat()
    group = next(line for line in system.path("/etc/group").read_text().splitlines()
                 if line.startswith("holdfast:")).split(":")[2]
    assert (secrets.st_mode & 0o777, secrets.st_gid) == (0o750, int(group))


def boots(system, package, postgres):
    """The same under a real systemd."""
    install(system, package)
    password = postgres.passfile.read_text().strip().rsplit(":", 1)[1]
    for line in boot.boot(system, re.sub(r"passfile=\S+", f"password={password}",
                                         postgres.dsn("node", "packaged"))):
        say(f"systemd: {line}")


def scenario(system, run, folder, with_boot):
    package = debian_package()
    install_dependencies(system, package)
    # Where an administrator enables a service; a system without systemd has no such folder.
    wants = system.path("/etc/systemd/system/multi-user.target.wants")
    wants.mkdir(parents=True, exist_ok=True)
    before = system.files()
    postgres = Postgres(run, settings={"fsync": "off"}).start()

    install(system, package)
    assert system.knows_user()
    runs(system, run, postgres)
    can_be_read(system)
    say("installed: it migrates, its node becomes ready, its pages can be read")

    configuration = system.path("/etc/holdfast/holdfast.conf")
    configuration.write_text(configuration.read_text() + "HOLDFAST_NAME=mine\n")
    told = install(system, newer(package, folder))
    assert "holdfast migrate" in told, told
    assert configuration.read_text().endswith("HOLDFAST_NAME=mine\n")
    runs_still = system.run("holdfast", "--version")
    assert runs_still.startswith("holdfast ")
    say("upgraded: the configuration is kept, and it says what to do")

    system.run("dpkg", "--remove", "holdfast")
    left = {name for name in system.files() - before if not name.startswith("etc/holdfast")}
    assert left == set(), left
    assert configuration.exists() and system.knows_user()
    install(system, package)  # again, over what a removal leaves
    say("removed: the configuration is kept")

    (wants / "holdfast.service").symlink_to("/usr/lib/systemd/system/holdfast.service")
    system.run("dpkg", "--purge", "holdfast")
    left = system.files() - before
    assert left == set(), left
    assert not system.knows_user()
    say("purged: nothing is left")
    if with_boot:
        boots(system, package, postgres)


def main():
    parser = argparse.ArgumentParser(prog="./dev package-test", description=__doc__.splitlines()[0])
    parser.add_argument("--mirror", default=MIRROR, help=f"where Debian comes from ({MIRROR})")
    parser.add_argument("--base", help="a clean system that debootstrap has made, to be copied")
    parser.add_argument("--boot", action="store_true",
                        help="boot it with systemd-nspawn afterwards, and try the unit")
    options = parser.parse_args()
    if options.boot and not boot.possible():
        skip("there is no systemd-nspawn (package systemd-container)")
    if os.getuid() != 0:
        skip("a clean system needs root")
    if not shutil.which("debootstrap"):
        skip("there is no debootstrap")
    if "HOLDFAST_OWN_MOUNTS" not in os.environ:  # a mount of ours shall go with us
        os.environ["HOLDFAST_OWN_MOUNTS"] = "yes"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable,
                              *sys.argv])
    process.guard()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="holdfast-package-") as folder:
        system = System(pathlib.Path(folder), options.mirror, options.base)
        try:
            scenario(system, place.Run("package-test"), pathlib.Path(folder), options.boot)
        finally:
            subprocess.run(["umount", str(system.root / "proc")], check=False, capture_output=True)
    say(f"1 passed, 0 failed, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
