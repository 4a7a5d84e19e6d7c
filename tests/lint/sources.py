"""What the linters look at, and how they say what they found."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Comments, strings and character constants, in the order in which they may hide one another.
_HIDDEN = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.S | re.X)


def files(*folders, suffixes=(".c", ".h")):
    """All source files below the folders, as paths relative to the checkout, sorted."""
    found = []
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in suffixes and path.is_file():
                found.append(path.relative_to(ROOT))
    return sorted(found)


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def code(path):
    """The text without comments and string contents; lines keep their numbers."""
    def blank(match):
        return "\n" * match.group(0).count("\n")
    return _HIDDEN.sub(blank, text(path))


def report(problems):
    """Prints the problems, one a line, and gives the exit status."""
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def finish(problems):
    sys.exit(report(problems))
