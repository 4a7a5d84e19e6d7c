"""Runs the test rings and ends with one line `N passed, N failed`.

A ring is a function that prints what it does and returns (passed, failed). `./dev test` calls
this with the rings to run; without any it runs all of them, in the order of RINGS.
"""

import argparse
import concurrent.futures
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time
from xml.etree import ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
ASAN = ROOT / "build/asan"
FUZZ = ROOT / "build/fuzz"
JOBS = os.cpu_count() or 2
AGAIN_MAX = 6  # more than that is no accident


def run(*command, **more):
    """Runs a command with its output going where ours goes; gives its exit status."""
    sys.stdout.flush()
    return subprocess.run([str(part) for part in command], cwd=ROOT, check=False,
                          **more).returncode


def environment(**more):
    """The environment of a ring: our Python packages, and sanitizers that do not forgive."""
    path = os.environ.get("PYTHONPATH")
    tests = str(ROOT / "tests")
    parts = [tests] + ([path] if path and tests not in path.split(":") else [])
    return {**os.environ, "PYTHONPATH": ":".join(parts), "PYTHONDONTWRITEBYTECODE": "1",
            "HOLDFAST": str(ASAN / "holdfast"),
            "HOLDFAST_LAB": str(ASAN / "tests/lab/holdfast-lab"),
            "HOLDFAST_BUILD": os.environ.get("HOLDFAST_BUILD", str(ASAN)),
            "ASAN_OPTIONS": "detect_leaks=1:exitcode=99:detect_stack_use_after_return=1",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1", **more}


def build(preset, *targets):
    """Builds through ./dev, so that there is one way to configure."""
    print(f"building build/{preset}", flush=True)
    return run(ROOT / "dev", "build", preset, *targets) == 0


def one(name, status):
    """Counts one check by its exit status."""
    print(f"{'ok  ' if status == 0 else 'FAIL'} {name}", flush=True)
    return (1, 0) if status == 0 else (0, 1)


def total(results):
    results = list(results)
    return sum(passed for passed, _ in results), sum(failed for _, failed in results)


# --- lint ---------------------------------------------------------------------------------------

def c_sources(*folders):
    return sorted(str(path.relative_to(ROOT)) for folder in folders
                  for path in (ROOT / folder).rglob("*") if path.suffix in (".c", ".h"))


def cppcheck(folders):
    cache = ASAN / "cppcheck"
    cache.mkdir(parents=True, exist_ok=True)
    # Of the system's headers it needs only the ones whose macros shape the code.
    macros = ASAN / "cppcheck-include"
    macros.mkdir(exist_ok=True)
    for name in ("uthash.h", "utlist.h"):
        if not (macros / name).exists():
            (macros / name).symlink_to(f"/usr/include/{name}")
    return run("cppcheck", "--quiet", f"-j{JOBS}", "--enable=warning,performance,portability",
               "--std=c11", "--inline-suppr", "--error-exitcode=1",
               f"--suppressions-list={ROOT / 'tests/lint/cppcheck.txt'}",
               f"--cppcheck-build-dir={cache}", "-D_GNU_SOURCE", '-DHOLDFAST_VERSION="0"',
               '-DHOLDFAST_SHARE_FROM_BIN="."', "-Isrc", "-Itests/lab", f"-I{macros}",
               f"--suppress=*:{macros}/*", *folders)


def shell_syntax():
    scripts = [ROOT / "dev", ROOT / ".ci/run", *sorted((ROOT / "tests").rglob("*.sh"))]
    return max(run("bash", "-n", script) for script in scripts)


def python_syntax():
    status = 0
    for path in sorted((ROOT / "tests").rglob("*.py")):
        try:
            compile(path.read_text(encoding="utf-8"), str(path), "exec")
        except SyntaxError as error:
            print(f"{path.relative_to(ROOT)}:{error.lineno}: {error.msg}")
            status = 1
    return status


def lint(_options):
    folders = ["src", "tests/lab", "tests/unit"]
    if not (ASAN / "compile_commands.json").exists() and not build("asan", "hf_base"):
        return one("configure build/asan", 1)
    formatted = c_sources("src", "tests")
    checks = [
        ("format", lambda: run("clang-format", "--dry-run", "--Werror", *formatted)),
        ("include direction", lambda: run(sys.executable, "tests/lint/includes.py")),
        ("banned calls and sizes", lambda: run(sys.executable, "tests/lint/banned.py")),
        ("names of what the log tells",
         lambda: run(sys.executable, "tests/lint/events.py")),
        ("alert rules and dashboard",
         lambda: run(sys.executable, "tests/lint/alerts.py")),
        ("tables of the documentation",
         lambda: run(sys.executable, "tests/tools/tables.py", "--check")),
        ("what is shipped", lambda: run(sys.executable, "tests/lint/shipped.py")),
        ("what the documentation names", lambda: run(sys.executable, "tests/lint/docs.py")),
        ("mutations find what they break",
         lambda: run(sys.executable, "-m", "mutation.run", "--stale", env=environment())),
        ("shell syntax", shell_syntax),
        ("python syntax", python_syntax),
        ("cppcheck", lambda: cppcheck(folders)),
        ("clang-tidy", lambda: run(sys.executable, "tests/lint/tidy.py", "build/asan")),
    ]
    return total(one(name, check()) for name, check in checks)


# --- unit ---------------------------------------------------------------------------------------

def cmocka(program):
    """One cmocka program: shows its output only when something is wrong."""
    try:
        done = subprocess.run([str(program)], cwd=program.parent, capture_output=True, text=True,
                              errors="replace", timeout=300, env=environment())
        output, status = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired as error:
        output, status = f"{error}\n", 1
    passed = len(re.findall(r"^\[ +OK +\]", output, re.M))
    failed = len(set(re.findall(r"^\[ +(?:FAILED|ERROR) +\] (\w+)", output, re.M)))
    if status and not failed:
        failed = 1
    if not passed and not failed:
        failed = 1
        output += f"{program.name} ran no test\n"
    if failed:
        print(output, end="")
    print(f"{'FAIL' if failed else 'ok  '} {program.name}: {passed} passed, {failed} failed",
          flush=True)
    return passed, failed


def unit(_options):
    if not build("asan", "tests/unit/all"):
        return one("build", 1)
    programs = [ASAN / "tests/unit" / path.stem
                for path in sorted((ROOT / "tests/unit").glob("test_*.c"))]
    return total(cmocka(program) for program in programs)


# --- sql, lab, system ---------------------------------------------------------------------------

def pytest(*arguments):
    """Runs pytest and counts from the report it writes."""
    report = ASAN / "pytest.xml"
    ASAN.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    status = run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rfEs",
                 "--tb=short", f"--junitxml={report}", *arguments, env=environment())
    if status == 5:  # nothing collected
        return 0, 0
    if not report.exists():
        return 0, 1
    head = report.read_text(encoding="utf-8", errors="replace")[:4000]
    counts = {key: int(value) for key, value in
              re.findall(r'\b(tests|failures|errors|skipped)="(\d+)"', head)[:4]}
    failed = counts.get("failures", 0) + counts.get("errors", 0)
    passed = max(0, counts.get("tests", 0) - failed - counts.get("skipped", 0))
    return passed, failed or (1 if status else 0)


# --- sim ----------------------------------------------------------------------------------------

# They have found something once, or are as good as any.
SIM_SEEDS = (1, 40, 181, 194, 582, 277397, 479195, 2500000125, 3000000012, 4005000049)
SIM_STEPS = 8_000_000  # for fresh seeds


def fresh_seed(below):
    """New for every state of the sources, and the same for the same: a run can be repeated. Where
    git does not tell, or something is not committed, it is new each time."""
    if shutil.which("git") is None:
        return random.SystemRandom().randrange(1, below)
    git = ["git", "-C", str(ROOT)]
    tree = subprocess.run([*git, "rev-parse", "HEAD^{tree}"], capture_output=True, text=True)
    changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True)
    if tree.returncode or changed.returncode or changed.stdout:
        return random.SystemRandom().randrange(1, below)
    return int(tree.stdout.strip(), 16) % (below - 1) + 1


def simulate(name, *arguments):
    return one(name, run(ASAN / "tests/sim/holdfast-sim", *arguments, env=environment()))


def sim(_options):
    if not build("asan", "holdfast-sim"):
        return one("build", 1)
    fresh = fresh_seed(2**32)
    print(f"fresh seeds begin with {fresh}", flush=True)
    results = [simulate(f"seed {seed}", "--seed", str(seed), "--runs", "1") for seed in SIM_SEEDS]
    results.append(simulate("fresh seeds", "--seed", str(fresh), "--steps", str(SIM_STEPS)))
    return total(results)


def sql(_options):
    if not build("asan", "holdfast", "holdfast-sim"):
        return one("build", 1)
    report = ASAN / "sql.count"
    report.unlink(missing_ok=True)
    status = run(sys.executable, "tests/sql/run.py", "--count", report,
                 env=environment(HOLDFAST_CONFORMANCE_SEED=str(fresh_seed(10**6))))
    passed, failed = 0, 0
    if report.exists():
        passed, failed = map(int, report.read_text().split())
    return passed, failed or (1 if status else 0)


def lab(_options):
    if not build("asan", "holdfast-lab"):
        return one("build", 1)
    if not list((ROOT / "tests/lab").rglob("test_*.py")):
        return 0, 0
    return pytest("-n", str(JOBS), "tests/lab")


def timed_out_tests():
    """The ids of the tests that the last report calls failed, because they waited in vain."""
    found = []
    for case in ElementTree.parse(ASAN / "pytest.xml").iter("testcase"):
        failure = case.find("failure")
        if failure is not None and "TimedOut" in failure.get("message", ""):
            found.append(f"{case.get('classname').replace('.', '/')}.py::{case.get('name')}")
    return found


def system(_options):
    if not build("asan"):
        return one("build", 1)
    # Real processes mostly wait, so three scenarios at a time fit on two cores. What must not run
    # beside its likes carries the mark xdist_group.
    passed, failed = pytest("-n", str(JOBS + 1), "--dist", "loadgroup", "tests/system")
    names = timed_out_tests() if 0 < failed <= AGAIN_MAX else []
    if not names:
        return passed, failed
    # Scenarios beside each other on a busy machine may take each other's time, so one that waited
    # in vain may try again alone, and is named. A promise that was seen broken stays broken.
    print(f"again, alone: {len(names)} that waited in vain: {' '.join(names)}", flush=True)
    again_passed, again_failed = pytest(*names)
    print(f"UNSTEADY: {again_passed} of them passed alone", flush=True)
    return passed + again_passed, failed - len(names) + again_failed


# --- package ------------------------------------------------------------------------------------

def package(_options):
    """What an operator gets: the release program, an installation, a Debian package."""
    if not build("release", "holdfast"):
        return one("build", 1)
    return pytest("tests/package")


# --- fuzz ---------------------------------------------------------------------------------------

def fuzz_target(name, seconds):
    """Lets one target run. Seeds are read, never written: what it finds stays in the build."""
    seeds = ROOT / "tests/fuzz/corpus" / name
    work = FUZZ / "corpus" / name
    work.mkdir(parents=True, exist_ok=True)
    folders = [work] + ([seeds] if seeds.is_dir() else [])
    log = FUZZ / f"{name}.log"
    with log.open("w", encoding="utf-8") as out:
        status = run(FUZZ / "tests/fuzz" / name, f"-max_total_time={seconds}", "-timeout=60",
                     "-rss_limit_mb=2048", f"-artifact_prefix={FUZZ}/{name}-",
                     "-print_final_stats=1", *folders, stdout=out, stderr=subprocess.STDOUT,
                     env=environment())
    text = log.read_text(encoding="utf-8", errors="replace")
    if status:
        print("\n".join(text.splitlines()[-40:]))
    runs = re.search(r"stat::number_of_executed_units: (\d+)", text)
    return one(f"{name}: {runs.group(1) if runs else 'no'} runs in {seconds} s", status)


def fuzz(options):
    targets = [path.stem for path in sorted((ROOT / "tests/fuzz").glob("fuzz_*.c"))]
    if not targets:
        return 0, 0
    if not build("fuzz", *targets):
        return one("build", 1)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return total(pool.map(lambda name: fuzz_target(name, options.fuzz_seconds), targets))


# --- chaos --------------------------------------------------------------------------------------

FIXED_SEED = 20261121


def chaos(options):
    """One seed that is always the same, and one that is new for every state of the sources."""
    if not build("asan", "holdfast", "holdfast-lab", "false_clock"):
        return one("build", 1)
    fresh = options.chaos_seed or fresh_seed(10**6)
    minutes = options.chaos_minutes / 2
    return total(one(f"chaos, seed {seed}, {minutes:g} minutes",
                     run(sys.executable, "-m", "chaos", "--minutes", minutes, "--seed", seed,
                         env=environment()))
                 for seed in (FIXED_SEED, fresh))


# --- compose ------------------------------------------------------------------------------------

def compose(_options):
    """Where a Docker engine is that has the base image; else it says that it was skipped."""
    return one("docker-compose.yml",
               run(sys.executable, "-m", "containers", "--short", "--only-if-ready",
                   env=environment()))


RINGS = {"lint": lint, "unit": unit, "sim": sim, "sql": sql, "lab": lab, "fuzz": fuzz,
         "system": system, "package": package, "chaos": chaos, "compose": compose}


def main():
    parser = argparse.ArgumentParser(prog="./dev test", description="runs the test rings")
    parser.add_argument("rings", nargs="*", metavar="ring",
                        help=f"{', '.join(RINGS)} (default: all, in this order)")
    parser.add_argument("--fuzz-seconds", type=int, default=10, help="seconds for every target")
    parser.add_argument("--chaos-minutes", type=float, default=3, help="minutes for the chaos ring")
    parser.add_argument("--chaos-seed", type=int, help="its second seed (default: from the commit)")
    options = parser.parse_args()
    unknown = [name for name in options.rings if name not in RINGS]
    if unknown:
        parser.error(f"no such ring: {', '.join(unknown)}; there are {', '.join(RINGS)}")
    results = []
    for name in options.rings or RINGS:
        print(f"\n== {name}", flush=True)
        began = time.monotonic()
        passed, failed = RINGS[name](options)
        results.append((passed, failed))
        print(f"== {name}: {passed} ok, {failed} bad, {time.monotonic() - began:.0f} s", flush=True)
    passed, failed = total(results)
    print(f"\n{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
