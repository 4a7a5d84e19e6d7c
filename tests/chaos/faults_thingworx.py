"""Faults of ThingWorx, and telemetry that it will not have."""

import signal

from chaos.faults_process import after
from chaos.schedule import Kind


def fault_of(**what):
    """A fault of the lab that we end ourselves."""
    def run(world, fault):
        world.thingworx.fault(**what, **fault.choice)
        yield after(fault.seconds)
        world.usual_thingworx()
    return run


def freeze(world, fault):
    world.thingworx.child.signal(signal.SIGSTOP)
    yield after(fault.seconds)
    world.thingworx.child.signal(signal.SIGCONT)


def poison(world, fault):
    """Values that do not fit their property: each becomes one dead letter, the rest arrives."""
    for number in fault.choice["partitions"]:
        world.send_poison(number % world.partitions)
    yield after(0)


def strangers(world, fault):
    """Devices that nothing binds."""
    for number in fault.choice["partitions"]:
        world.send_stranger(number % world.partitions)
    yield after(0)


def _ms(chance):
    return {"ms": chance.choice((50, 200, 1000))}


def _retry_after(chance):
    return {"retry_after": chance.choice((1, 2))}


def _count(chance):
    return {"count": chance.choice((5, 20, 100))}


def _partitions(chance):
    return {"partitions": [chance.randrange(1000) for _ in range(chance.randint(1, 6))]}


THINGWORX = ("thingworx",)


def _kind(name, run, weight, seconds, repeats="no", choose=None):
    return Kind(name, run, weight, seconds, "thingworx", THINGWORX, repeats=repeats, holds=True,
                choose=choose)


KINDS = [
    _kind("ThingWorx is down", fault_of(kind="close", ready=True), 2, (0.5, 8.0)),
    _kind("ThingWorx is slow", fault_of(kind="latency"), 2, (1.0, 8.0), choose=_ms),
    # In the end it closes what hangs: libcurl sends it again at once, perhaps just before its time is up.
    _kind("ThingWorx hangs", fault_of(kind="hang"), 2, (0.5, 12.0), "all"),
    _kind("ThingWorx is frozen", freeze, 1, (0.5, 12.0), "all"),
    _kind("replies are lost", fault_of(kind="lost_reply"), 2, (0.2, 3.0), "all", choose=_count),
    _kind("ThingWorx answers 503", fault_of(kind="status", status=503), 1, (0.5, 6.0)),
    _kind("ThingWorx answers 500", fault_of(kind="status", status=500), 2, (0.5, 6.0)),
    _kind("ThingWorx answers 404", fault_of(kind="status", status=404), 2, (0.5, 6.0)),
    _kind("ThingWorx is starting", fault_of(kind="starting"), 1, (0.5, 6.0)),
    _kind("ThingWorx answers 401", fault_of(kind="status", status=401), 1, (0.5, 5.0)),
    _kind("ThingWorx answers 429", fault_of(kind="status", status=429), 1, (0.5, 5.0),
          choose=_retry_after),
    Kind("poison values", poison, 2, (0.0, 0.0), "hub", (), ("hub",), choose=_partitions),
    Kind("unknown devices", strangers, 2, (0.0, 0.0), "hub", (), ("hub",), choose=_partitions),
]
