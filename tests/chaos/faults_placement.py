"""What an administrator does to placement. No faults, but they must not cost anything either."""

import psycopg2

from chaos.faults_process import after
from chaos.schedule import Kind


def drain(world, fault):
    world.admin("SELECT holdfast.drain_node(%s)", fault.target)
    yield after(fault.seconds)
    yield world.insists("SELECT holdfast.undrain_node(%s)", fault.target)


def move(world, fault):
    nodes = sorted(world.nodes)
    for number in fault.choice["partitions"]:
        partition = str(number % world.partitions)
        node = nodes[fault.choice["node"] % len(nodes)]
        try:
            world.admin("SELECT holdfast.move_partition(%s, %s, %s)", "demo", partition, node)
        except psycopg2.errors.InvalidParameterValue as refusal:  # another fault has ended the node
            world.note(fault, str(refusal).strip().splitlines()[0])
        yield after(0.2)
    yield after(fault.seconds)


def capacity(world, fault):
    world.admin("SELECT holdfast.set_capacity(%s, %s)", fault.target, fault.choice["capacity"])
    yield after(fault.seconds)
    yield world.insists("SELECT holdfast.set_capacity(%s, NULL)", fault.target)


def _moves(chance):
    return {"partitions": [chance.randrange(1000) for _ in range(chance.randint(1, 4))],
            "node": chance.randrange(1000)}


def _capacity(chance):
    return {"capacity": chance.choice((1, 30, 200, 400))}


SHARES = ("database",)

KINDS = [
    Kind("node drained", drain, 2, (2.0, 8.0), "node", ("placement",), SHARES),
    Kind("partitions moved", move, 3, (0.5, 2.0), "", ("placement",), SHARES,
         choose=_moves),
    Kind("capacity changed", capacity, 2, (2.0, 6.0), "node", ("placement",), SHARES,
         choose=_capacity),
]
