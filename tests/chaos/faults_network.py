"""Faults of a node's network, and of its wall clock."""

from chaos.faults_process import after
from chaos.schedule import Kind
from harness import clock, netns, place


def ports_of(world, what):
    """The ports of a server as a node knows it; None means all of them."""
    return {"database": world.database_ports, "hub": [world.hub.ports["amqp_port"]],
            "ThingWorx": [world.thingworx.ports["port"]], "everything": [None]}[what]


def cut(world, fault):
    network = world.networks[fault.target]
    for port in ports_of(world, fault.choice["from"]):
        network.cut(tuple(fault.choice["ways"]), port)
    yield after(fault.seconds)
    network.heal()


def lossy(world, fault):
    network = world.networks[fault.target]
    network.lose(fault.choice["per_mille"])
    yield after(fault.seconds)
    network.heal()


def slow(world, fault):
    network = world.networks[fault.target]
    network.slow(fault.choice["ms"], fault.choice["ms"] // 4)
    yield after(fault.seconds)
    network.heal()


def jump(world, fault):
    """Only the wall clock of node-1; no clock is compared between machines."""
    world.clock.jump(fault.choice["by"])
    yield after(fault.seconds)
    world.clock.jump(0)


def _cut(chance):
    return {"ways": chance.choice((["out", "in"], ["out", "in"], ["out"], ["in"])),
            "from": chance.choice(("database", "database", "hub", "ThingWorx", "everything"))}


def _lossy(chance):
    return {"per_mille": chance.choice((50, 200, 400))}


def _slow(chance):
    return {"ms": chance.choice((20, 100, 300))}


def _jump(chance):
    return {"by": chance.choice((-86400, -60, 60, 3600, 86400))}


def no_clock():
    if (place.build_folder() / clock.LIBRARY).exists():
        return None
    return f"{clock.LIBRARY} is not built"


def _no_netem():
    return netns.refused() or (None if netns.netem() else "the kernel cannot delay packets (netem)")


KINDS = [
    Kind("network cut", cut, 5, (0.5, 12.0), "node", ("node",), repeats="network", holds=True,
         needs=netns.refused, choose=_cut),
    Kind("network loses packets", lossy, 2, (1.0, 8.0), "node", ("node",), repeats="network",
         holds=True, needs=netns.refused, choose=_lossy),
    Kind("network is slow", slow, 2, (1.0, 8.0), "node", ("node",), repeats="network", holds=True,
         needs=_no_netem, choose=_slow),
    Kind("clock of node-1 jumps", jump, 2, (1.0, 8.0), "clock", ("clock",), needs=no_clock,
         choose=_jump),
]
