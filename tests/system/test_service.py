"""What a node tells the service manager that started it (systemd, Type=notify)."""

import contextlib
import re
import signal

from harness.manager import Manager
from harness.node import Node
from harness.waiting import wait_until
from http_kit import NOWHERE
from proof import end

# So short that a quarter of it, the pace of the watchdog, is not worth waiting for.
WATCHDOG_US = 2_000_000


def environment(manager):
    return {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(WATCHDOG_US)}


def test_ready_alive_and_stopping(make_cluster):
    cluster = make_cluster(nodes=1)
    with contextlib.closing(Manager(cluster.run.path)) as manager:
        node = cluster.add_node("told", wait=False, arguments=["--drain-ms", "600000"],
                                environment=environment(manager))
        wait_until(lambda: manager.heard("READY"), 60, lambda: f"READY=1 among {manager.said}")
        assert node.ready()
        cluster.wait_balanced()
        partitions = len(cluster.partitions_of("told"))
        wait_until(lambda: re.match(rf"(following|leading): {partitions} part",
                                    manager.listen()[-1]["STATUS"]),
                   60, lambda: f"the status tells of its partitions: {manager.said[-1]}")

        # A loop that stands still is not alive, whatever the process looks like from outside.
        node.signal(signal.SIGSTOP)
        wait_until(lambda: state_of(node.pid) == "T", 60, "the node stands")
        manager.forget()
        wait_until(lambda: "told" not in cluster.owners().values(), 60, "its partitions moved")
        assert manager.listen() == []
        node.signal(signal.SIGCONT)
        wait_until(lambda: manager.heard("WATCHDOG") >= 3, 60, "it is alive again")
        wait_until(node.ready, 60, "it is ready again")
        assert manager.heard("READY") == 0, "it is said once"

        # ThingWorx hangs, so the drain lasts; meanwhile the manager must not lose patience.
        cluster.wait_balanced()
        cluster.thingworx.fault(kind="hang")
        cluster.hub.generate(rate=400)
        wait_until(lambda: node.metric("holdfast_thingworx_requests_in_flight") > 0, 60,
                   "a request hangs")
        manager.forget()
        node.signal(signal.SIGTERM)
        wait_until(lambda: manager.heard("STOPPING") >= 4, 60, "the node goes on stopping")
        assert manager.heard("EXTEND_TIMEOUT_USEC", "30000000") >= 4
        assert manager.heard("READY") == 0
        cluster.thingworx.clear_faults()
        assert node.child.wait(120) == 0
    cluster.hub.stop_generator()
    cluster.wait_delivered()
    end(cluster)


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def test_waiting_for_the_database_is_not_ready(run):
    """It is no reason to be killed either: the manager is asked for more time."""
    part = run.part("service_waits")
    with contextlib.closing(Manager(part.path, abstract=True)) as manager:
        node = Node(part, "waits", NOWHERE,
                    environment=environment(manager)).start(wait=False)
        wait_until(lambda: manager.heard("EXTEND_TIMEOUT_USEC", "30000000") >= 3, 60,
                   lambda: f"it asks for time: {manager.said}")
        assert all("no trusted lease" in lines["STATUS"] for lines in manager.said)
        assert node.stop() == 0
        assert manager.heard("READY") == 0
        assert manager.heard("STOPPING") >= 1
