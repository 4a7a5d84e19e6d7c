"""A wall clock of its own for a process, that a test can move while it runs.

Only the wall clock is false: CLOCK_MONOTONIC and CLOCK_BOOTTIME stay what they are.
"""

import pathlib
import shutil
import struct
import subprocess

from harness import place

LIBRARY = "tests/system/drivers/libfalse_clock.so"


def _sanitizer(program):
    """The run-time library of the address sanitizer that a program needs first, or None."""
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if "libasan" in line:
            return line.split("=>")[1].split()[0]
    return None


class Clock:
    """Give `environment(program)` to whatever is to live by it, then jump().

    `path` is a file in a folder that the process may read.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.write_bytes(bytes(8))
        self.path.chmod(0o644)
        # The process may not reach the build.
        shutil.copy(place.build_folder() / LIBRARY, self.path.parent)

    def jump(self, seconds):
        """From now on the clock is so many seconds ahead of the real one, or behind."""
        with self.path.open("r+b") as file:
            file.write(struct.pack("=q", seconds))

    def environment(self, program):
        library = self.path.parent / LIBRARY.rpartition("/")[2]
        # The sanitizer's library has to come first.
        preload = [each for each in (_sanitizer(program), str(library)) if each]
        return {"LD_PRELOAD": ":".join(preload), "FALSE_CLOCK": str(self.path)}
