"""./dev psql and ./dev stop: what a `./dev demo --keep` has left running."""

import os
import sys

from harness import place


def kept():
    return [(path, record) for path, record in place.records() if record.get("kept")]


def psql(arguments):
    found = kept()
    if not found:
        sys.exit("no demo is running: start one with ./dev demo --keep")
    _path, record = found[-1]
    program = str(place.postgres_program("psql"))
    os.execv(program, [program, record["dsn"], *arguments])


def stop():
    found = kept()
    for path, record in found:
        place.end_run(path, record)
        print(f"stopped {path.name}")
    if not found:
        print("nothing is running")


if __name__ == "__main__":
    if sys.argv[1] == "psql":
        psql(sys.argv[2:])
    else:
        stop()
