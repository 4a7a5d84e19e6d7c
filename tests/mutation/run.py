"""Breaks one rule at a time and shows which test turns red.

usage: ./dev mutate [--commit REV] [--list] [name ...]

The table is in mutations.py. Each mutation is applied to a copy of the tree (build/mutation/tree,
with a build of its own there), and its test must fail. Before that the same test must pass on the
copy as it is, or its failure would prove nothing. Exit status 1 if a mutation survived, if its old
text is no longer where it was, or if it does not build.
"""

import argparse
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time

from mutation.mutations import MUTATIONS

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREE = ROOT / "build/mutation/tree"
BUILD = TREE / "build/asan"
TIMEOUT_SECONDS = 400
# Of the copy, and not copied.
KEPT = ("build", "run")
# A mutation that breaks the set-up of a test has not been seen by the test.
NO_VERDICT = ("holdfast migrate failed", "error during collection", "no tests ran", "deselected in")
SIGNS = (r"^not ok \d+ - (.*)", r"^\[ +FAILED +\] (\w+)$", r"^E +(.*)", r"^\S+\.py:\d+: (.*)",
         r"^(?:FAILED|ERROR) \S+?::(.*)", r"^.*?((?:psql:|ERROR:).*)")


# ---- the copy -------------------------------------------------------------------------------------

def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout


def write(path, content, mode):
    """Leaves a file alone that is the same already: the build goes by its time."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def working_tree():
    """(path, content, mode) of every file that git knows or would add."""
    names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").decode()
    for name in sorted(set(filter(None, names.split("\0")))):
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            yield name, path.read_bytes(), path.stat().st_mode & 0o777


def committed(revision):
    archive = subprocess.Popen(["git", "archive", revision], cwd=ROOT, stdout=subprocess.PIPE)
    with tarfile.open(fileobj=archive.stdout, mode="r|") as tar:
        for member in tar:
            if member.isfile():
                yield member.name, tar.extractfile(member).read(), member.mode & 0o777
    if archive.wait() != 0:
        sys.exit(f"mutate: git archive {revision} failed")


def copy_tree(revision):
    TREE.mkdir(parents=True, exist_ok=True)
    present = set()
    for name, content, mode in committed(revision) if revision else working_tree():
        write(TREE / name, content, mode)
        present.add(TREE / name)
    for folder, folders, files in os.walk(TREE):
        here = pathlib.Path(folder)
        if here == TREE:
            folders[:] = [name for name in folders if name not in KEPT]
        for name in files:
            if here / name not in present:
                (here / name).unlink()


# ---- building and running -------------------------------------------------------------------------

def environment(more):
    mine = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST")}
    return {**mine, "PYTHONPATH": str(TREE / "tests"), "PYTHONDONTWRITEBYTECODE": "1",
            "HOLDFAST_BUILD": str(BUILD), "HOLDFAST_SQL_DIR": str(TREE),
            "ASAN_OPTIONS": "detect_leaks=1:exitcode=99:detect_stack_use_after_return=1",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1", **more}


def run(argv, timeout, **more):
    """(status, output); the status is None when it took too long. It ends with all it started."""
    child = subprocess.Popen([str(part) for part in argv], cwd=TREE, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors="replace", env=environment(more), start_new_session=True)
    try:
        output, _ = child.communicate(timeout=timeout)
        return child.returncode, output
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGTERM)  # the harness ends its children
        try:
            output, _ = child.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            child.kill()
            output, _ = child.communicate()
        return None, output
    except BaseException:
        child.send_signal(signal.SIGTERM)
        child.communicate()
        raise


def build(targets):
    """None, or what the compiler says."""
    if not (BUILD / "build.ninja").exists():
        status, output = run(["cmake", "--preset", "asan"], 300)
        if status != 0:
            return output
    jobs = str(os.cpu_count() or 2)
    status, output = run(["ninja", "-C", BUILD, "-j", jobs, *targets], 1800)
    return None if status == 0 else output


def compiler_says(output):
    return [line for line in output.splitlines() if " error: " in line] or [output[-2000:]]


def command_of(test):
    """(targets, argv, environment) of a test: see mutations.py."""
    kind, name, chosen = (*test, None)[:3]
    python = sys.executable
    pytest = {"PYTEST_ADDOPTS": "-x" + (f" -k '{chosen}'" if chosen else "")}
    if kind == "unit":
        return [name], [BUILD / "tests/unit" / name], {}
    if kind == "sql":
        return ["holdfast"], [python, "tests/sql/run.py", f"tests/sql/{name}.sql"], {}
    if kind == "two":
        return ["holdfast", "holdfast-sim"], [python, "tests/sql/run.py", f"tests/sql/two/{name}.py"], pytest
    if kind == "system":
        return ["holdfast", "holdfast-lab", "source-driver", "holdfast-unfenced", "false_clock"], [
            python, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rfE", "--tb=line",
            f"tests/system/{name}.py"], pytest
    if kind == "sim":
        return [name], [BUILD / "tests/sim" / name, "--seed", "1", "--runs", chosen], {}
    raise ValueError(f"no such kind of test: {kind}")


def label(test):
    return " ".join(test)


def first_sign(status, output):
    """What the test complained of first, in a line."""
    for pattern in SIGNS:
        for line in output.splitlines():
            found = re.match(pattern, line.strip())
            if found:
                return found.group(1).strip()[:150]
    if status is None:
        return f"not finished within {TIMEOUT_SECONDS} s"
    lines = output.strip().splitlines() or ["no output"]
    return f"status {status}: {lines[-1].strip()[:130]}"


def judge(test):
    """(verdict, words): green, red or no verdict."""
    targets, argv, more = command_of(test)
    complaint = build(targets)
    if complaint is not None:
        return "NO BUILD", compiler_says(complaint)[0][:200]
    status, output = run(argv, TIMEOUT_SECONDS, **more)
    (BUILD.parent / "last-test.log").write_text(output, encoding="utf-8")
    if status == 0 and not re.search(r"[1-9]\d* passed|PASSED|nothing broken", output):
        return "NO VERDICT", "no test ran"
    if status == 0:
        return "green", ""
    broken = next((words for words in NO_VERDICT if words in output), None)
    failed = re.search(r"[1-9]\d* failed|FAILED", output)
    if broken and not (failed and "deselected" in broken):
        return "NO VERDICT", broken
    return "red", first_sign(status, output)


# ---- mutations ------------------------------------------------------------------------------------

def try_one(mutation):
    path = TREE / mutation.file
    original = path.read_text(encoding="utf-8") if path.is_file() else ""
    times = original.count(mutation.old)
    if times != 1:
        return "STALE", f"its old text occurs {times} times in {mutation.file}"
    try:
        path.write_text(original.replace(mutation.old, mutation.new), encoding="utf-8")
        verdict, words = judge(mutation.test)
    finally:
        path.write_text(original, encoding="utf-8")
    return ("SURVIVED", "the test stays green") if verdict == "green" else (verdict, words)


def baselines(chosen):
    """The tests that do not pass on the copy as it is: {test: why}."""
    bad = {}
    for test in sorted({mutation.test for mutation in chosen}):
        verdict, words = judge(test)
        print(f"{'ok  ' if verdict == 'green' else 'FAIL'} unbroken: {label(test)} {words}",
              flush=True)
        if verdict != "green":
            bad[test] = f"its test is {verdict} without it: {words}"
    return bad


def select(names):
    known = {mutation.name for mutation in MUTATIONS}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"mutate: no such mutation: {', '.join(unknown)} (--list names them)")
    return [mutation for mutation in MUTATIONS if not names or mutation.name in names]


def hold_tree():
    """The copy is this run's alone, until the file that comes back is closed."""
    TREE.parent.mkdir(parents=True, exist_ok=True)
    lock = open(TREE.parent / "lock", "w", encoding="ascii")  # pylint: disable=consider-using-with
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("mutate: another run is at work in this tree; wait for its end, or use another clone")
    return lock


def main():
    parser = argparse.ArgumentParser(prog="./dev mutate", description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="name the mutations and end")
    parser.add_argument("--stale", action="store_true",
                        help="name those whose old text is not once where it was, and end")
    parser.add_argument("--commit", metavar="REV",
                        help="mutate what is committed there (default: the working tree)")
    parser.add_argument("names", nargs="*", metavar="name", help="mutations (default: all)")
    options = parser.parse_args()
    chosen = select(options.names)
    if options.list:
        for mutation in chosen:
            print(f"{mutation.name}\n    {mutation.rule}\n    {mutation.file}: "
                  f"{label(mutation.test)}")
        return
    if options.stale:
        stale = [mutation for mutation in chosen
                 if (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.old) != 1]
        for mutation in stale:
            print(f"{mutation.name}: its text is not once in {mutation.file}")
        sys.exit(1 if stale else 0)
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    held = hold_tree()
    copy_tree(options.commit)
    complaint = build(sorted({target for mutation in chosen
                              for target in command_of(mutation.test)[0]}))
    if complaint is not None:
        sys.exit("\n".join(["mutate: the copy does not build as it is", *compiler_says(complaint)]))
    began = time.monotonic()
    bad = baselines(chosen)
    results = []
    for mutation in chosen:
        start = time.monotonic()
        why = bad.get(mutation.test)
        verdict, words = ("NO VERDICT", why) if why else try_one(mutation)
        results.append(verdict)
        print(f"{verdict:10} {mutation.name:34} {label(mutation.test)}  "
              f"[{time.monotonic() - start:.0f} s]\n           {words}", flush=True)
    shutil.rmtree(TREE / "run", ignore_errors=True)
    held.close()
    red = results.count("red")
    print(f"\n{red} of {len(results)} mutations were noticed, "
          f"{time.monotonic() - began:.0f} s", flush=True)
    sys.exit(0 if red == len(results) else 1)


if __name__ == "__main__":
    main()
