"""Runs the pgTAP files of this folder, then the two-connection tests of two/.

usage: PYTHONPATH=tests /usr/bin/python3 tests/sql/run.py [--count FILE] [file.sql ...]

All files share one migrated database of a private cluster; each rolls back what it did. pgTAP
lies in the schema `tap`. The tests of two/ commit, so they get a database of their own; they find
it (as superuser) in HOLDFAST_TEST_DSN.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

from harness import place, process
from harness.postgres import Postgres
from tools import rings

HERE = pathlib.Path(__file__).resolve().parent
PER_FILE_TIMEOUT = 900


def judge(output, status):
    """(passed, failed) of one TAP stream."""
    passed = len(re.findall(r"^ok \d+", output, re.M))
    failed = len(re.findall(r"^not ok \d+", output, re.M))
    plan = re.search(r"^1\.\.(\d+)", output, re.M)
    planned = int(plan.group(1)) if plan else None
    broken = planned is None or planned != passed + failed or status != 0
    if broken and not failed:
        failed = 1
    return passed, failed


def run_file(path, dsn):
    argv = [str(place.postgres_program("psql")), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
            "-P", "pager=off", "-f", str(path), dsn]
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=PER_FILE_TIMEOUT, check=False)
        output, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired:
        output, status = f"not finished within {PER_FILE_TIMEOUT} s\n", 1
    passed, failed = judge(output, status)
    if failed:
        print("".join(line + "\n" for line in output.splitlines()
                      if not re.match(r"^ok \d+", line)), end="")
    print(f"{'FAIL' if failed else 'ok  '} {path.name}: {passed} passed, {failed} failed",
          flush=True)
    return passed, failed


def database(postgres, name):
    postgres.create_database(name)
    postgres.migrate(name)
    postgres.query("CREATE SCHEMA tap", database=name)
    postgres.query("CREATE EXTENSION pgtap SCHEMA tap", database=name)
    postgres.query("GRANT USAGE ON SCHEMA tap TO PUBLIC", database=name)
    return postgres.dsn("postgres", name)


def main():
    parser = argparse.ArgumentParser(prog="tests/sql/run.py")
    parser.add_argument("--count", type=pathlib.Path, help="write `passed failed` there")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    process.guard()
    postgres = Postgres(place.Run("sql"), auth="trust").start()
    results = []
    files = options.files or sorted(HERE.glob("*.sql"))
    if any(path.suffix == ".sql" for path in files):
        dsn = database(postgres, "holdfast")
        results += [run_file(path, dsn) for path in files if path.suffix == ".sql"]
    two = [path for path in files if path.suffix == ".py"]
    if not options.files and list(HERE.glob("two/test_*.py")):
        two = [HERE / "two"]
    if two:
        os.environ["HOLDFAST_TEST_DSN"] = database(postgres, "holdfast_two")
        results.append(rings.pytest(*two))
    passed, failed = rings.total(results)
    if options.count:
        options.count.write_text(f"{passed} {failed}\n")
    else:
        print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
