"""./dev chaos: see `./dev chaos --help`."""

import argparse
import json
import os
import pathlib
import random
import shutil
import sys
import time
import traceback

from chaos import faults, report, schedule, verdict
from chaos.faults_database import FAIL_OVER
from chaos.runner import Runner
from chaos.world import World, dump, write_json
from harness import place, process


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="./dev chaos", formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="A real cluster under load, random faults, and the verdict. Exit status: 0 if "
                    "every promise was kept, 1 if one was broken, 2 if there is no verdict.")
    parser.add_argument("--minutes", type=float, default=3.0, help="how long events flow")
    parser.add_argument("--seed", type=int, help="decides what happens when (default: a new one)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the result there")
    parser.add_argument("--log", type=pathlib.Path, metavar="FILE",
                        help="write the log of faults there, for --replay")
    parser.add_argument("--replay", type=pathlib.Path, metavar="FILE",
                        help="the faults of such a log, or of a --json, at their times")
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--rate", type=int, default=250, help="events per second")
    parser.add_argument("--gap", type=float, default=schedule.MEAN_GAP,
                        help="mean seconds from one fault to the next")
    parser.add_argument("--at-once", type=int, default=schedule.MOST_AT_ONCE,
                        help="faults that overlap, at most")
    parser.add_argument("--only", action="append", metavar="TEXT", help="kinds with TEXT in the name")
    parser.add_argument("--without", action="append", metavar="TEXT", help="leave these kinds out")
    parser.add_argument("--list", action="store_true", help="the kinds of faults, and no run")
    parser.add_argument("--plan", action="store_true", help="what the seed would do, and no run")
    parser.add_argument("--keep", action="store_true", help="keep logs and tables of a good run too")
    parser.add_argument("--memory", type=int, metavar="MIB", default=0,
                        help="ceiling of a node's memory; 0: 256, or 1024 with the sanitizers")
    options = parser.parse_args(arguments)
    if options.nodes < 2 or options.partitions < 1 or options.minutes <= 0 or options.rate < 1:
        parser.error("at least two nodes, one partition, and some time and rate")
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1, 10**6)
    return options


def planned(options, kinds):
    nodes = [f"node-{number}" for number in range(1, options.nodes + 1)]
    if options.replay:
        read = json.loads(options.replay.read_text())
        options.seed = read["seed"]
        return [schedule.Fault.of(row) for row in read["faults"]]
    return schedule.plan(kinds, options.seed, options.minutes * 60, nodes, options.partitions,
                         options.gap, options.at_once)


def sanitized():
    return b"__asan_init" in place.program("holdfast").read_bytes()


def keep(world, result, seed):
    """The logs and what was found, beside the build; the data folders go."""
    kept = place.build_folder() / "failed" / f"chaos-{seed}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    shutil.copytree(world.run.path / "log", kept / "log")
    write_json(kept / "result.json", result)
    for table in ("ownership", "term", "session", "checkpoint", "event_log", "partition"):
        rows = world.ask(f"SELECT to_jsonb(t) AS row FROM holdfast.{table} t")
        (kept / f"{table}.jsonl").write_text("".join(json.dumps(row.row) + "\n" for row in rows))
    return kept


def run(options, faults_planned, kinds):
    seconds = options.minutes * 60
    if options.replay and faults_planned:
        seconds = max(seconds, max(fault.at + fault.seconds for fault in faults_planned) + 15)
    memory = options.memory or (1024 if sanitized() else 256)
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=99:quarantine_size_mb=32")
    world = World(place.Run(f"chaos-{options.seed}"), options.nodes, options.partitions, options.rate,
                  {kind.name: kind for kind in kinds},
                  fails_over=any(fault.kind == FAIL_OVER for fault in faults_planned))
    began = time.monotonic()
    print(f"seed {options.seed}, {options.minutes:g} minutes, {options.nodes} nodes,"
          f" {options.partitions} partitions, {options.rate} events/s; starting ...", flush=True)
    try:
        return suffer(world, options, faults_planned, seconds, memory, began)
    finally:
        world.end()


def suffer(world, options, faults_planned, seconds, memory, began):
    world.begin()
    runner = Runner(world, faults_planned, seconds, memory)
    runner.drive()
    print("the last fault is healed; settling ...", flush=True)
    world.hub.stop_generator()
    settled = verdict.settle(world)
    result = verdict.judge(world)
    verdict.stop_nodes(world)
    records = result.pop("records")
    result.update(settled=settled, seed=options.seed, minutes=options.minutes, failures=world.failures,
                  faults=dump(world.records), skipped=runner.skipped, good=not world.failures,
                  kinds=[list(row) for row in report.by_kind(records, result["pauses"])],
                  seconds=round(time.monotonic() - began))
    for line in report.lines(result, records, world.failures):
        print(line, flush=True)
    if options.keep or world.failures:
        kept = keep(world, result, options.seed)
    if world.failures:
        for name, text in verdict.last_lines(world):
            print(f"--- the end of {name}\n{text}")
        print(f"again: ./dev chaos --minutes {options.minutes:g} --seed {options.seed}")
    if options.keep or world.failures:
        print(f"logs, tables and the log of faults are in {kept}")
    return result


def main(arguments=None):
    options = parse(arguments)
    kinds, missing = faults.available(options.only, options.without)
    if options.list:
        for line in report.table(("fault", "weight", "seconds", "note"), [
                (kind.name, kind.weight, "{:g}-{:g}".format(*kind.seconds), missing.get(kind.name, ""))
                for kind in faults.KINDS]):
            print(line)
        return 0
    for why in sorted(set(missing.values())):
        names = ", ".join(name for name, each in missing.items() if each == why)
        print(f"left out, {why}: {names}")
    faults_planned = planned(options, kinds)
    strange = {fault.kind for fault in faults_planned} - {kind.name for kind in kinds}
    if strange:
        print(f"these faults cannot be repeated here: {', '.join(sorted(strange))}", file=sys.stderr)
        return 2
    if options.plan:
        for fault in faults_planned:
            print(f"{fault.at:7.1f}  {fault.seconds:5.1f} s  {fault.kind}  {fault.target}  {fault.choice or ''}")
        return 0
    process.guard()
    try:
        result = run(options, faults_planned, kinds)
    except KeyboardInterrupt:
        print("\ninterrupted; cleaning up", file=sys.stderr)
        return 130
    except Exception:  # whatever it is, it is no verdict
        traceback.print_exc()
        print("no verdict: the chaos itself failed", file=sys.stderr)
        return 2
    if options.json:
        write_json(options.json, result)
    if options.log:
        write_json(options.log, {"seed": options.seed, "faults": result["faults"]})
    return 0 if result["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
