"""The table that the demo shows: redrawn on a terminal, plain lines when piped."""

import shutil
import sys
import time

PLAIN_EVERY = 2.0


class Screen:
    """show() as often as you like; it decides what to print."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.live = out.isatty()
        self.drawn = 0
        self.plain_at = 0.0

    def say(self, text=""):
        """A line that stays, above the table."""
        self._erase()
        print(text, file=self.out, flush=True)

    def show(self, title, header, table, force=False):
        """`table` is a list of rows of text, as many columns as `header`."""
        widths = [max(len(str(row[i])) for row in [header, *table]) for i in range(len(header))]

        def line(row):
            first = str(row[0]).ljust(widths[0])
            return "  ".join([first] + [str(cell).rjust(width)
                                        for cell, width in zip(row[1:], widths[1:])])

        if self.live:
            self._erase()
            columns = shutil.get_terminal_size((100, 24)).columns
            lines = ["", title, line(header), *(line(row) for row in table)]
            for text in lines:
                print(text[:columns - 1], file=self.out)
            self.drawn = len(lines)
            self.out.flush()
            return
        now = time.monotonic()
        if force or now - self.plain_at >= PLAIN_EVERY:
            self.plain_at = now
            print(title, file=self.out)
            for row in [header, *table]:
                print("  " + line(row), file=self.out)
            self.out.flush()

    def _erase(self):
        if self.live and self.drawn:
            print(f"\x1b[{self.drawn}A\x1b[J", end="", file=self.out)
            self.drawn = 0

    def keep(self):
        """The table as it stands stays on the terminal."""
        self.drawn = 0
