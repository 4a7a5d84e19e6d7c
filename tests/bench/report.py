"""What the benchmarks have in common: options, and how they tell the result."""

import argparse
import json
import pathlib
import statistics
import sys

from harness import process
from harness.waiting import TimedOut


def parser(name, description):
    made = argparse.ArgumentParser(
        prog=f"./dev bench {name}", description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument("--json", type=pathlib.Path, metavar="FILE", default=None,
                      help="write the result there")
    return made


def spread(numbers):
    """{"median", "max"} in whole milliseconds; null when a number is missing."""
    if not numbers or any(number is None for number in numbers):
        return {"median": None, "max": None}
    return {"median": round(statistics.median(numbers)), "max": round(max(numbers))}


def say(text):
    print(text, flush=True)


def read(text):
    """What a driver printed: one line of JSON."""
    return json.loads(text)


def table(lines):
    """Prints (what, measured, to reach, whether it is reached or None)."""
    wide = [max(len(line[i]) for line in lines) for i in range(3)] if lines else []
    for *texts, reached in lines:
        mark = {True: "reached", False: "MISSED", None: ""}[reached]
        say("  ".join(text.ljust(n) for text, n in zip(texts, wide)) + "  " + mark)


def finish(options, result, good):
    """Prints and writes the result; exits with 0 only when nothing was lost."""
    text = json.dumps(result, indent=2)
    say(text)
    if options.json:
        options.json.write_text(text + "\n")
    sys.exit(0 if good else 1)


def run(main):
    process.guard()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (TimedOut, process.Died, RuntimeError, FileNotFoundError) as error:
        sys.exit(f"the benchmark failed: {error}")
