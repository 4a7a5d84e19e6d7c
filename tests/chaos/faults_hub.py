"""Faults of the hub."""

import signal

from chaos.faults_process import after
from chaos.schedule import Kind

DETACHES = ("amqp:link:detach-forced", "amqp:internal-error", "com.microsoft:server-busy",
            "amqp:not-allowed", "amqp:connection:forced")


def detach(world, fault):
    for number in fault.choice["partitions"]:
        world.hub.fault(kind="detach", partition=number % world.partitions,
                        condition=fault.choice["condition"])
    yield after(fault.seconds)


def timed(kind):
    """A fault that the lab ends by itself."""
    def run(world, fault):
        world.hub.fault(kind=kind, seconds=fault.seconds)
        yield after(fault.seconds)
    return run


def at_once(kind):
    def run(world, _fault):
        world.hub.fault(kind=kind)
        yield after(0.5)
    return run


def latency(world, fault):
    world.hub.fault(kind="latency", ms=fault.choice["ms"])
    yield after(fault.seconds)
    world.hub.fault(kind="latency", ms=0)


def restart(world, fault):
    if fault.choice["by"] == "kill":
        world.hub.child.kill()
    else:
        world.hub.stop()
    yield after(fault.seconds)
    world.hub.start()
    world.feed()


def freeze(world, fault):
    world.hub.child.signal(signal.SIGSTOP)
    yield after(fault.seconds)
    world.hub.child.signal(signal.SIGCONT)


def _detach(chance):
    return {"partitions": [chance.randrange(1000) for _ in range(chance.randint(1, 8))],
            "condition": chance.choice(DETACHES)}


def _ms(chance):
    return {"ms": chance.choice((20, 100, 400))}


def _by(chance):
    return {"by": chance.choice(("stop", "kill"))}


HUB = ("hub",)

KINDS = [
    Kind("hub detaches readers", detach, 2, (0.2, 1.0), "hub", HUB, choose=_detach),
    Kind("hub drops connections", at_once("drop_connections"), 2, (0.5, 0.5), "hub", HUB),
    Kind("hub closes connections", at_once("close"), 2, (0.5, 0.5), "hub", HUB),
    Kind("hub refuses connections", timed("refuse"), 1, (0.5, 4.0), "hub", HUB),
    Kind("hub sends nothing", timed("stall"), 1, (0.5, 5.0), "hub", HUB),
    Kind("hub throttles", timed("throttle"), 2, (0.5, 5.0), "hub", HUB),
    Kind("hub lets no reader in", timed("quota"), 1, (0.5, 5.0), "hub", HUB),
    Kind("hub refuses tokens", timed("token"), 1, (0.5, 5.0), "hub", HUB),
    Kind("hub is slow", latency, 2, (1.0, 6.0), "hub", HUB, choose=_ms),
    Kind("hub restarted", restart, 2, (0.0, 2.0), "hub", HUB, overhead=3, choose=_by),
    Kind("hub frozen", freeze, 1, (0.5, 8.0), "hub", HUB),
]
