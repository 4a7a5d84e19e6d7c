"""A neutral recorder: follows what programs write into files and notes when each line came.

Nobody's own clock counts: everything is timed by this one process, when it sees the line.
"""

import threading
import time

_EVERY = 0.001


class Recorder:
    """Follows files from their present end, a thousand times a second."""

    def __init__(self):
        self.lines = []  # (seen, name, text)
        self._files = []
        self._changed = threading.Condition()
        threading.Thread(target=self._run, daemon=True).start()

    def follow(self, name, path):
        """From now on; the file may have to be made yet."""
        path.touch()
        # pylint: disable-next=consider-using-with
        file = path.open("rb")
        file.seek(0, 2)
        with self._changed:
            self._files.append((name, file, [b""]))

    def _run(self):
        while True:
            with self._changed:
                seen = time.monotonic()
                new = [line for entry in self._files for line in self._read(*entry, seen)]
                if new:
                    self.lines += new
                    self._changed.notify_all()
            time.sleep(_EVERY)

    @staticmethod
    def _read(name, file, rest, seen):
        data = file.read()
        if not data:
            return []
        *whole, rest[0] = (rest[0] + data).split(b"\n")
        return [(seen, name, line.decode(errors="replace")) for line in whole]

    def wait(self, matches, since, timeout):
        """The first line seen at or after `since` for which matches(name, text); None if there is
        none in time."""
        deadline = time.monotonic() + timeout
        at = 0
        with self._changed:
            while True:
                for at in range(at, len(self.lines)):  # noqa: B020
                    seen, name, text = self.lines[at]
                    if seen >= since and matches(name, text):
                        return self.lines[at]
                at = len(self.lines)
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)

    def last(self, matches):
        with self._changed:
            return next((line for line in reversed(self.lines) if matches(*line[1:])), None)
