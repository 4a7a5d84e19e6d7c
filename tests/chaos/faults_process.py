"""Faults of node processes."""

import signal
import time

from chaos.schedule import Kind
from harness.node import Node

TTL_SECONDS = 5.0
LONGEST_STOP = 60  # a clean stop may drain for ten seconds; the rest is for busy cores


def after(seconds):
    """A condition that comes true so many seconds from now."""
    due = time.monotonic() + seconds
    return lambda: time.monotonic() >= due


def ended(node, seconds):
    """A condition: the process has ended, or time is up."""
    due = time.monotonic() + seconds
    return lambda: not node.alive or time.monotonic() >= due


def stop_cleanly(world, node):
    """Asks the node to end and waits; it must end by itself, and with status 0."""
    world.going(node)
    node.signal(signal.SIGTERM)
    yield ended(node, LONGEST_STOP)
    if node.alive:
        world.fail(f"{node.name} did not stop within {LONGEST_STOP} s after SIGTERM")
        node.kill()
        return
    node.child.forget()
    if node.child.status != 0:
        world.fail(f"{node.name} ended with status {node.child.status} after SIGTERM", node)


def kill(world, fault):
    node = world.nodes[fault.target]
    world.going(node)
    node.kill()
    yield after(fault.seconds)
    world.start(node)


def freeze(world, fault):
    node = world.nodes[fault.target]
    node.signal(signal.SIGSTOP)
    yield after(fault.seconds)
    node.signal(signal.SIGCONT)


def stop_start(world, fault):
    node = world.nodes[fault.target]
    yield from stop_cleanly(world, node)
    yield after(fault.seconds)
    world.start(node)


def rolling(world, _fault):
    """All nodes, one after another, each when the one before is ready."""
    for node in list(world.nodes.values()):
        yield from stop_cleanly(world, node)
        world.start(node)
        due = time.monotonic() + 20
        yield lambda node=node, due=due: node.answers_ready() or time.monotonic() > due


class Quiet(Node):
    """A node of the chaos: never raises when it is only asked."""

    def answers_ready(self):
        try:
            self.port = self.port or self._find_port()
            return bool(self.port) and self.ready()
        except (OSError, RuntimeError):
            return False


class Second(Quiet):
    """A process that says it is another one; its log has a name of its own."""

    @property
    def log(self):
        return self.run.log(f"{self.name}-second")


def second(world, fault):
    """Somebody starts a node a second time by mistake."""
    double = Second(world.run, fault.target, world.dsn, world.node_arguments,
                    network=world.networks.get(fault.target))
    world.start(double)
    yield after(fault.seconds)
    if fault.choice["by"] == "kill":
        world.going(double)
        double.kill()
    else:
        yield from stop_cleanly(world, double)


def join_leave(world, fault):
    node = Quiet(world.run, f"late-{fault.number}", world.dsn, world.node_arguments)
    world.start(node)
    yield after(fault.seconds)
    if fault.choice["by"] == "kill":
        world.going(node)
        node.kill()
    else:
        yield from stop_cleanly(world, node)


def _by(chance):
    return {"by": chance.choice(("stop", "kill"))}


KINDS = [
    Kind("node killed", kill, 6, (0.0, 6.0), "node", ("node",), repeats="node"),
    Kind("node frozen, short", freeze, 3, (0.2, 0.4 * TTL_SECONDS), "node", ("node",),
         repeats="answers"),
    Kind("node frozen, beyond the TTL", freeze, 3, (TTL_SECONDS + 0.5, TTL_SECONDS + 5), "node",
         ("node",), repeats="answers", overhead=3),
    Kind("node stopped and started", stop_start, 3, (0.0, 3.0), "node", ("node",), overhead=3),
    Kind("rolling restart", rolling, 1, (0.0, 0.0), "nodes", ("node", "placement"), overhead=8),
    Kind("second process of a name", second, 2, (2.0, 9.0), "node", ("node",), repeats="node",
         overhead=2, choose=_by),
    Kind("a node joins and goes", join_leave, 2, (3.0, 9.0), "", ("late",), repeats="node",
         overhead=3, choose=_by),
]
