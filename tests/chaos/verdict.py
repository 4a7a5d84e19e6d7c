"""From the evidence to the verdict: what was promised, what was seen."""

import calendar
import re
import time

from chaos.causes import Causes, Record, pauses_by_kind
from chaos.evidence import Evidence, Seen
from chaos.faults_process import LONGEST_STOP
from harness import process
from harness.waiting import TimedOut, wait_until

TTL_SECONDS = 5.0
OWNED_WITHIN = 2 * TTL_SECONDS + 20  # the promise is TTL + 1 s, on machines that are not this busy
DELIVERED_WITHIN = 300
# What a node or the server never says, whatever others do to it.
BUG = re.compile(r"please report|AddressSanitizer|LeakSanitizer|runtime error:|Assertion .* failed")
# What an administrator asks for may be refused: a move to a node that has just been ended.
SERVER_BUG = re.compile(r"\] (?!22023 admin@)(XX\w{3}|23\w{3}|42\w{3}|22\w{3}|P0004) .*(ERROR|PANIC):")
MOST_LISTED = 2000
GAP = re.compile(r'^time=(\S+) .*msg="woken up after a gap[^"]*" gap_ms=(\d+)', re.M)
CLOCK_JUMPS = "clock of node-1 jumps"
# Faults by which ThingWorx refuses what is good, while it may say that it is ready; and how it says so.
REFUSALS = ("ThingWorx answers 404", "ThingWorx answers 500", "ThingWorx is starting")
BY_A_FAULT = re.compile(r"HTTP (404|500): Fault \1")
COUNTS = ("emitted", "delivered", "lost", "altered", "out_of_order", "duplicates", "excepted", "foreign")


def settle(world):
    """After the last heal: everything has an owner in time, everything arrives. Gives the seconds that
    each took."""
    cluster = world.cluster
    took = {}
    for wait, limit in ((_all_owned, OWNED_WITHIN), (_delivered, DELIVERED_WITHIN),
                        (_letters, DELIVERED_WITHIN)):
        began = time.monotonic()
        try:
            wait_until(lambda wait=wait: wait(world), limit, lambda wait=wait: wait.__doc__, every=0.2)
        except TimedOut as error:
            world.fail(f"after the last heal {error}; grants {cluster.grants()}, ends"
                       f" {cluster.hub.ends()}, checkpoints {cluster.checkpoints()}")
        took[wait.__doc__] = round(time.monotonic() - began, 1)
    return took


def _all_owned(world):
    """every partition has an owner that lives"""
    owners = world.cluster.owners()
    return len(owners) == world.partitions and set(owners.values()) <= set(world.nodes)


def _delivered(world):
    """everything is delivered"""
    return world.cluster.delivered_all()


def _letters(world):
    """every poison value and every event of a stranger is a dead letter"""
    meant = sum(1 for letter in world.cluster.dead_letters() if _is_meant(letter))
    return meant >= sum(world.poison_sent.values()) + sum(world.strangers_sent.values())


def stop_nodes(world):
    """All of them, cleanly: the sanitizers have their say in the exit status."""
    for node in world.nodes.values():
        if node.alive:
            world.going(node)
            status = node.stop(LONGEST_STOP)
            if status != 0:
                world.fail(f"{node.name} ended with status {status} at the end", node)
    left = world.ask("SELECT node FROM holdfast.session WHERE ended_at IS NULL")
    if left:
        world.fail(f"sessions are left after all nodes have stopped: {left}")


def judge(world, longest=10):
    """Compares, notes failures, and gives what is known as one dictionary."""
    counts = world.cluster.check()
    evidence = Evidence(world.cluster)
    records = world.carried_out()
    records += stalls(world, records)
    records += [Record("(the database was slow by itself)", "database", *each, "no", True)
                for each in world.watch.slow]
    seen = Seen(world.watch.samples, world.watch.crashes)
    causes = Causes(records, evidence.takeovers(), evidence.prefix)
    given_up = _given_up(world, evidence)
    _counts(world, counts, {(letter.partition, letter.sequence) for letter in given_up})
    _letters_fit(world, given_up)
    by_cause, unexplained = {}, []
    for repeat in evidence.repeats:
        cause = causes.of(repeat)
        if cause is None:
            unexplained.append(repeat)
        else:
            by_cause[cause] = by_cause.get(cause, 0) + 1
    bound = causes.bound(evidence, seen.before)
    for what, found in (
            ("deliveries came twice without a fault that explains it", unexplained),
            ("partitions were taken from a node that nothing was done to",
             causes.unexplained_takeovers()),
            ("events below a checkpoint were delivered again by the next owner",
             [repeat for repeat in evidence.below_checkpoint(seen) if not causes.late(repeat.again)]),
            ("checkpoints passed an event that ThingWorx had not accepted",
             evidence.early_checkpoints(world.watch.samples)),
            ("ownerships overlap, or their tokens do not grow", _disorder(evidence.ownerships)),
            ("terms overlap, or their tokens do not grow", _disorder(_terms(world)))):
        if found:
            world.fail(f"{len(found)} {what}: " + "; ".join(str(each) for each in found[:longest]))
    _logs(world)
    return {"records": records, "events": {key: counts[key] for key in COUNTS}, "duplicates_bound": bound,
            "duplicates_by_cause": by_cause,
            "repeated_deliveries": len(evidence.repeats), "takeovers": len(causes.windows),
            "pauses": pauses_by_kind(evidence.pauses(), records),
            "longest_pauses": sorted(evidence.pauses(2.0),
                                     key=lambda pause: pause[1] - pause[2])[:20],
            "looks": world.watch.looks,
            "unexplained": len(unexplained),
            "takeover_list": [[*before, *after] for before, after in evidence.takeovers()],
            "repeats": [[causes.of(repeat), repeat.partition, repeat.sequence, *repeat.first,
                         repeat.again.at, repeat.again.sender] for repeat in evidence.repeats[:MOST_LISTED]]}


def stalls(world, records):
    """Nodes that stood still although nobody had frozen them: the machine is too busy. To a node that
    is the same, and like every other fault it is shown."""
    found = []
    for path in sorted((world.run.path / "log").glob("*.log")):
        name = path.stem.removesuffix("-second")
        if not name.startswith(("node-", "late-")):
            continue
        for at, gap in GAP.findall(path.read_text(encoding="utf-8", errors="replace")):
            said = calendar.timegm(time.strptime(at[:19], "%Y-%m-%dT%H:%M:%S")) + float(at[19:-1])
            for ended in _moments(world, name, said):
                began = ended - int(gap) / 1000
                if not any(record.target == name and record.kind.startswith("node frozen")
                           and record.began - 1 <= began <= record.ended + 1 for record in records):
                    found.append(Record("(a node stood still by itself)", name, began, ended,
                                        "answers", False))
    return found


def _moments(world, name, said):
    """When a node's clock may have said so: node-1's jumps."""
    yield said
    for record in world.records:
        if name == world.cluster.names[0] and record["kind"] == CLOCK_JUMPS:
            at = said - record["choice"]["by"]
            if record["began"] <= at <= (record["ended"] or at):
                yield at


def _is_meant(letter):
    """Of what the run sends to become one: strangers' events, and the value that does not fit."""
    return letter.device.startswith("stranger-") or (letter.device.startswith("poison-")
                                                     and letter.property == "p1")


def _given_up(world, evidence):
    """The dead letters of good values that ThingWorx refused in a bad moment, and again in another one
    after it had taken other Things' in between. No proof can tell that from values that it will not
    have; docs/guarantees.md says so."""
    bad = [record for record in world.records if record["kind"] in REFUSALS]
    again_from = min((record["began"] for record in bad[1:]), default=float("inf"))
    return [letter for letter in world.cluster.dead_letters()
            if not _is_meant(letter) and BY_A_FAULT.search(letter.detail)
            and evidence.dead[letter.partition, letter.sequence] > again_from]


def _counts(world, counts, given_up):
    late = {(str(each["partition"]), each["sequence"]) for each in counts["out_of_order_examples"]}
    if counts["out_of_order"] == len(counts["out_of_order_examples"]) and late <= given_up:
        counts["out_of_order"] = 0  # accepted after all, when their events were read again
    for key in ("lost", "altered", "out_of_order", "foreign"):
        if counts[key]:
            world.fail(f"{counts[key]} events {key.replace('_', ' ')}: {counts.get(key + '_examples')}")
    if not counts["delivered"]:
        world.fail("nothing was delivered")


def _letters_fit(world, given_up):
    """Exactly what is poison is a dead letter, and at most what ThingWorx has refused twice."""
    wanted = {(device, seq) for sent in (world.poison_sent, world.strangers_sent)
              for device, count in sent.items() for seq in range(1, count + 1)}
    letters = world.cluster.dead_letters()
    for letter in letters:
        if not _is_meant(letter) and letter not in given_up:
            world.fail(f"a good value became a dead letter: {letter}")
    meant = [letter for letter in letters if _is_meant(letter)]
    if len(meant) != len(wanted) or not wanted <= set(world.cluster.dead_letter_events()):
        world.fail(f"{len(wanted)} dead letters were to be expected, there are {len(meant)}")


def _terms(world):
    class Term:
        def __init__(self, row):
            self.partition, self.since, self.until, self.token = row
            self.how = ""

        def __str__(self):
            return f"{self.partition} {self.token} {self.since}-{self.until}"
    return [Term(row) for row in world.cluster.query(
        "SELECT lease, extract(epoch FROM lower(during))::float8 AS since,"
        " extract(epoch FROM upper(during))::float8 AS until, token FROM holdfast.term ORDER BY 1, 2")]


def _disorder(grants):
    """Of grants by what is granted and when: those that begin before the last has ended, or whose
    token is not greater. An adopted one goes on under its token."""
    found = []
    for one, other in zip(grants, grants[1:]):
        if one.partition == other.partition:
            early = one.until is None or other.since < one.until
            grown = other.token > one.token or (other.how == "adopted" and other.token == one.token)
            if early or not grown:
                found.append(f"{one} / {other}")
    return found


def _logs(world):
    for path in sorted((world.run.path / "log").glob("*.log")):
        pattern = SERVER_BUG if path.stem.startswith("postgres") else BUG
        with path.open(encoding="utf-8", errors="replace") as file:
            bad = [line.strip() for line in file if pattern.search(line)]
        if bad:
            world.fail(f"{len(bad)} lines of {path.name} speak of a bug, first: {bad[0][:400]}")


def last_lines(world, count=8):
    """The end of every log, for the screen."""
    return [(path.name, process.tail(path, count))
            for path in sorted((world.run.path / "log").glob("*.log"))]
