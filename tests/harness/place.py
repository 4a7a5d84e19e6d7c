"""Where things are: the checkout, the programs, and the folder of one run."""

import atexit
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from harness import process

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = ROOT / "run"
REMOVE_ATTEMPTS = 50


def build_folder():
    """The build to use: the release build, unless HOLDFAST_BUILD names another."""
    return pathlib.Path(os.environ.get("HOLDFAST_BUILD") or ROOT / "build/release")


def program(name):
    """Path of `holdfast` or `holdfast-lab`."""
    path = build_folder() / ("tests/lab" if name == "holdfast-lab" else "") / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run ./dev build {build_folder().name}")
    return path


def postgres_program(name):
    """Path of a program of the newest PostgreSQL server that is installed."""
    found = [path for path in pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
             if path.parts[-3].isdigit()]
    if found:
        return max(found, key=lambda path: int(path.parts[-3]))
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(f"{name} is missing: run ./dev setup")
    return pathlib.Path(path)


def server_user():
    """Who runs PostgreSQL, which refuses root; None means ourselves."""
    if os.getuid() != 0:
        return None
    pwd.getpwnam("postgres")
    return "postgres"


def reachable(folder, user):
    """May the user enter the folder?"""
    done = subprocess.run(["/usr/bin/test", "-x", str(folder)], user=user, group=user,
                          extra_groups=[], cwd="/", check=False)
    return done.returncode == 0


class Run:
    """A folder run/NAME-PID for the logs, secrets and data of one run.

    Removed at exit unless `keep` is set. Folders that a killed run has left behind are removed,
    with what still runs of it, when the next one starts.
    """

    def __init__(self, name):
        clear_stale()
        self.path = RUN / f"{name}-{os.getpid()}"
        for folder in ("log", "secrets", "data"):
            (self.path / folder).mkdir(parents=True)
        os.chmod(self.path / "secrets", 0o700)
        self.servers = self.path / "data"
        self.keep = False
        self.kept = False
        self.outside = []
        self.record = {"owner": [os.getpid(), process.start_time(os.getpid())], "kept": False,
                       "children": [], "outside": []}
        self.write_record()
        atexit.register(self._remove)
        # Handlers run in reverse order: first the children end, then their folder goes.
        atexit.unregister(process.end_all)
        atexit.register(process.end_all)

    def log(self, name):
        return self.path / "log" / f"{name}.log"

    def part(self, name):
        """A folder of its own for one scenario of this run."""
        return Part(self, name)

    def server_folder(self, name):
        """A new folder that the user who runs PostgreSQL owns and can reach.

        A checkout below a closed home folder cannot hold it; /tmp then does.
        """
        user = server_user()
        if user and not reachable(self.servers, user):
            self.servers = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-"))
            os.chmod(self.servers, 0o711)
            self.outside.append(str(self.servers))
            self.write_record()
        folder = self.servers / name
        folder.mkdir(mode=0o700)
        if user:
            shutil.chown(folder, user, user)
        return folder

    def write_record(self):
        self.record["outside"] = self.outside
        path = self.path / "run.json"
        path.with_suffix(".new").write_text(json.dumps(self.record, indent=1))
        path.with_suffix(".new").replace(path)

    def note_children(self):
        """Records what runs, so that it can be ended even when we are killed."""
        self.record["children"] = [
            [child.pid, process.start_time(child.pid), int(child.stop_signal), child.name]
            for child in process.living()]
        self.write_record()

    def leave_running(self, **more):
        """Everything stays after this process has ended, until ./dev stop."""
        self.note_children()
        self.record.update(more, kept=True)
        self.write_record()
        self.kept = True
        process.release_all()

    def _remove(self):
        if self.kept or self.keep:
            return
        remove(self.path, self.record)


class Part:
    """A part of a run: own logs, secrets and data, the same record and the same end."""

    def __init__(self, run, name):
        self.run = run
        self.path = run.path / name
        for folder in ("log", "secrets", "data"):
            (self.path / folder).mkdir(parents=True)
        os.chmod(self.path / "secrets", 0o700)

    def log(self, name):
        return self.path / "log" / f"{name}.log"

    def server_folder(self, name):
        return self.run.server_folder(f"{self.path.name}-{name}")

    @property
    def outside(self):
        return self.run.outside

    def write_record(self):
        self.run.write_record()

    def note_children(self):
        self.run.note_children()


def remove(path, record):
    """Removes what a run has left. Another process may be doing the same, and a backend of a server
    that was killed may still write: so it looks whether it has gone."""
    for folder in [path, *record.get("outside", [])]:
        for _attempt in range(REMOVE_ATTEMPTS):
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.exists(folder):
                break
            time.sleep(0.1)


def records():
    """(folder, record) of all runs that left a folder, oldest first."""
    found = []
    if RUN.is_dir():
        for path in RUN.glob("*/run.json"):
            try:  # it may be removed at any moment
                found.append((path.stat().st_mtime, path.parent, json.loads(path.read_text())))
            except (OSError, ValueError):
                continue
    return [(folder, record) for _, folder, record in sorted(found, key=lambda run: run[0])]


def end_run(path, record):
    """Ends what is left of a run and removes its folder."""
    for pid, started, number, _name in reversed(record.get("children", [])):
        process.end_pid(pid, started, signal.Signals(number))
    remove(path, record)


def clear_stale():
    for path, record in records():
        pid, started = record["owner"]
        if not record.get("kept") and process.start_time(pid) != started:
            end_run(path, record)
