"""What happens when: from a seed, and nothing but the seed. No I/O.

A planned fault claims what it touches, exclusively ("node:node-1") or shared ("database"), so that two
faults that would undo each other never overlap; faults of different places do, up to a bound.
"""

import random
import typing

QUIET_BEFORE = 4.0  # the cluster has settled, and there is something to compare with
QUIET_AFTER = 3.0  # between the last heal and the end of the load
MEAN_GAP = 2.5
MOST_AT_ONCE = 3
COOL_DOWN = 1.0  # between two faults that claim the same


class Kind(typing.NamedTuple):
    """A row of the fault table.

    `run` is a generator function (world, fault): it injects, yields conditions to wait for, and heals.
    `claims` names what the fault needs for itself, `shares` what it needs unharmed; "node" stands for
    the node that is its target. `repeats`: may deliver something twice, "node" (what its target had
    delivered when it loses the partition), "answers" (that, and what its target gets no answer to),
    "network" (that, and late), "all" (what anybody gets no answer to) or "no". `holds`: checkpoints
    cannot advance, or be saved, while it lasts, so that a death meanwhile repeats more.
    """

    name: str
    run: typing.Callable
    weight: float
    seconds: tuple = (0.0, 0.0)
    target: str = ""  # node, nodes (all of them), partition, hub, thingworx, database
    claims: tuple = ()
    shares: tuple = ()
    repeats: str = "no"
    holds: bool = False
    overhead: float = 1.0  # seconds that injecting and healing take
    needs: typing.Callable = None  # gives None, or why it cannot be done here
    choose: typing.Callable = None  # (random) -> dict of further choices
    once: bool = False  # in a run


class Fault(typing.NamedTuple):
    """One planned fault; JSON of it can be replayed."""

    number: int
    kind: str
    at: float  # seconds since the load began
    seconds: float
    target: str
    choice: dict

    @classmethod
    def of(cls, row):
        return cls(**{name: row[name] for name in cls._fields})


def claims_of(kind, target, nodes):
    """({exclusive}, {shared}) of a fault of that kind on that target."""
    def resolve(names):
        found = set()
        for name in names:
            if name == "node":
                found |= {f"node:{node}" for node in (nodes if target == "*" else [target])}
            else:
                found.add(name)
        return found
    return resolve(kind.claims), resolve(kind.shares)


def conflict(one, other):
    return bool(one[0] & (other[0] | other[1]) or other[0] & one[1])


def harmed_nodes(claims):
    return {name for name in claims[0] if name.startswith("node:")}


def plan(kinds, seed, seconds, nodes, partitions, gap=MEAN_GAP, most=MOST_AT_ONCE):
    """The faults of a run of so many seconds, by their start."""
    chance = random.Random(seed)
    faults, taken = [], []  # taken: (from, until, claims)
    end = seconds - QUIET_AFTER
    at = QUIET_BEFORE
    while True:
        at = round(at + min(chance.expovariate(1 / gap), 4 * gap), 2)
        kind = chance.choices(kinds, [kind.weight for kind in kinds])[0]
        hold = round(chance.uniform(*kind.seconds), 2)
        target = _target(kind, chance, nodes, partitions)
        choice = kind.choose(chance) if kind.choose else {}
        if at >= end:
            return faults
        until = at + hold + kind.overhead
        claims = claims_of(kind, target, nodes)
        beside = [other for other in taken if other[0] < until and at < other[1]]
        if (until > end or len(beside) >= most
                or kind.once and any(fault.kind == kind.name for fault in faults)
                or any(conflict(claims, other[2]) for other in taken
                       if other[0] < until + COOL_DOWN and at < other[1] + COOL_DOWN)
                or _too_many_nodes(claims, beside, nodes)):
            continue
        taken.append((at, until, claims))
        faults.append(Fault(len(faults) + 1, kind.name, at, hold, target, choice))


def _too_many_nodes(claims, beside, nodes):
    """One node is always left in peace, unless a fault means all of them."""
    harmed = set().union(harmed_nodes(claims), *(harmed_nodes(other[2]) for other in beside))
    return len(harmed) >= len(nodes) and len(harmed_nodes(claims)) < len(nodes)


def _target(kind, chance, nodes, partitions):
    if kind.target == "node":
        return chance.choice(nodes)
    if kind.target == "nodes":
        return "*"
    if kind.target == "partition":
        return str(chance.randrange(partitions))
    return kind.target
