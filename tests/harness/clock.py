"""A wall clock of its own for a process, that a test can move while it runs (libfaketime).

Only the wall clock is false: CLOCK_MONOTONIC and CLOCK_BOOTTIME stay what they are.
"""

import pathlib
import subprocess

LIBRARY = "faketime/libfaketime.so.1"


def library():
    """The path of Debian's libfaketime, or None when it is not installed."""
    found = sorted(pathlib.Path("/usr/lib").glob(f"*/{LIBRARY}"))
    return found[0] if found else None


def refused():
    """Why no clock can be moved here, or None when one can."""
    return None if library() else "libfaketime is not installed"


def _sanitizer(program):
    """The run-time library of the address sanitizer that a program needs first, or None."""
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if "libasan" in line:
            return line.split("=>")[1].split()[0]
    return None


class Clock:
    """Give `environment(program)` to whatever is to live by it, then jump()."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.seconds = 0
        self.jump(0)

    def jump(self, seconds):
        """From now on the clock is so many seconds ahead of the real one, or behind."""
        self.seconds = seconds
        new = self.path.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.chmod(0o644)
        new.replace(self.path)

    def environment(self, program):
        preload = [str(library())]
        sanitizer = _sanitizer(program)
        if sanitizer:  # it has to come first
            preload.insert(0, sanitizer)
        return {"LD_PRELOAD": ":".join(preload), "FAKETIME_TIMESTAMP_FILE": str(self.path),
                "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}
