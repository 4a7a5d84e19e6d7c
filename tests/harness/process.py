"""Child processes that cannot outlive their purpose.

Every child is on a list and is ended when this process exits, is interrupted or terminated; if
this process is killed outright, the kernel ends them (PR_SET_PDEATHSIG). A child that is to stay
(`./dev demo --keep`) does without the latter, and stands in a file that `./dev stop` reads.
"""

import atexit
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_children = []


class Died(RuntimeError):
    """A child ended that should not have; the message holds the end of its log."""


def die_with_parent(parent, number):
    def prepare():
        _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it went before we could say so
            os._exit(1)
    return prepare


def start_time(pid):
    """When a process started, in the kernel's ticks; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return int(file.read().rsplit(")", 1)[1].split()[19])
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None


def tail(path, lines=30):
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


class Child:
    """A process with its standard error (and output) in a file."""

    def __init__(self, name, argv, log, *, stdout=None, env=None, user=None, cwd=None,
                 stop_signal=signal.SIGTERM, death_signal=signal.SIGKILL, stay=False):
        self.name = name
        self.log = log
        self.stop_signal = stop_signal
        identity = {"user": user, "group": user, "extra_groups": []} if user else {}
        with open(log, "ab") as err, contextlib.ExitStack() as stack:
            out = stack.enter_context(open(stdout, "wb")) if stdout else err
            self.process = subprocess.Popen(
                [str(part) for part in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                env=env, cwd=cwd, start_new_session=True, **identity,
                preexec_fn=None if stay else die_with_parent(os.getpid(), death_signal))
        self.pid = self.process.pid
        _children.append(self)

    @property
    def alive(self):
        return self.process.poll() is None

    @property
    def status(self):
        """The exit status; negative for a signal; None while it lives."""
        return self.process.poll()

    def require_alive(self):
        if not self.alive:
            raise Died(f"{self.name} ended with status {self.status}; its log ends with:\n"
                       f"{tail(self.log)}")

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout):
        return self.process.wait(timeout)

    def kill(self):
        """kill -9, and waits until it is gone."""
        if self.alive:
            self.process.kill()
        self.process.wait(30)
        self.forget()

    def stop(self, timeout=20):
        """Asks it to end and waits; kills it when it does not. Gives the exit status."""
        if self.alive:
            self.signal(signal.SIGCONT)
            self.signal(self.stop_signal)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                print(f"{self.name} (pid {self.pid}) did not stop within {timeout} s: killed",
                      file=sys.stderr)
                self.process.kill()
                self.process.wait(30)
        self.forget()
        return self.status

    def forget(self):
        with contextlib.suppress(ValueError):
            _children.remove(self)


def living():
    """All children that were not ended yet, in the order in which they started."""
    return [child for child in _children if child.alive]


def release_all():
    """Leaves the children to themselves: they stay when this process ends."""
    _children.clear()


def end_all():
    """Ends every child, the youngest first. Runs at exit; further signals are ignored."""
    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    for child in reversed(list(_children)):
        child.stop(timeout=10)


def end_pid(pid, started, number=signal.SIGTERM, timeout=10):
    """Ends a process of an earlier run, if it still is the one that was recorded."""
    if start_time(pid) != started:
        return False
    for each in (number, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, each)
        deadline = time.monotonic() + timeout
        while start_time(pid) == started and time.monotonic() < deadline:
            time.sleep(0.02)
        if start_time(pid) != started:
            break
    return True


def _leave(number, _frame):
    sys.exit(128 + number)


def guard():
    """Makes SIGTERM and SIGHUP an orderly exit, so that children are ended. SIGINT too: a script
    that starts us in the background has it ignored."""
    # Only the main thread may set handlers. On a busy machine a worker of xdist may find itself in
    # another one, where its tests are as good; its children still end with it, by the kernel.
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _leave)
        signal.signal(signal.SIGHUP, _leave)


atexit.register(end_all)
