"""Where the secrets of a running node stand in its memory, and that what was replaced stands nowhere."""

import re
import resource
import signal
from dataclasses import dataclass

import pytest

from harness.waiting import wait_until
from proof import end, settle

RATE = 400
# The sanitizers map more than can be read; nothing of ours is as great.
GREATEST = 1 << 30
OTHER_KEY = "11111111-2222-4333-8444-555555555555"


@dataclass
class Place:
    """A mapping of a process that holds a text."""
    name: str
    flags: str

    @property
    def locked(self):
        return {"lo", "dd"} <= set(self.flags.split())


def mappings(pid):
    """[(from, to, name, flags)] of what can be read."""
    found, head = [], None
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as file:
        for line in file:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)", line)
            if match:
                head = (int(match[1], 16), int(match[2], 16), match[3], match[4])
            elif line.startswith("VmFlags:") and head[2].startswith("r") and "[v" not in head[3]:
                found.append((head[0], head[1], head[3] or "no name", line.split(":")[1].strip()))
    return found


def places_of(text, pid):
    """Every mapping of the process in which the text stands."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for start, stop, name, flags in mappings(pid):
            if stop - start > GREATEST:
                continue
            try:
                memory.seek(start)
                content = memory.read(stop - start)
            except OSError:
                continue  # unmapped meanwhile, or never backed
            if text.encode() in content:
                found.append(Place(name, flags))
    return found


def readable(pid):
    try:
        with open(f"/proc/{pid}/mem", "rb", 0):
            return True
    except PermissionError:
        return False


def test_secrets_stand_in_locked_memory_and_go_when_replaced(make_cluster):
    cluster = make_cluster(nodes=1, node_arguments=["--ttl-ms", "15000"])
    node = cluster.nodes["node-1"]
    if not readable(node.pid):
        pytest.skip("only root may look into a node's memory")
    right_key = cluster.thingworx.key_file.read_text().strip()
    hub_key = re.search(r"SharedAccessKey=([^;]+)", cluster.hub.connection_string)[1]
    cluster.hub.generate(rate=RATE)
    wait_until(lambda: node.metric("holdfast_values_delivered_total") > 8 * RATE, 60, "events flow")
    settle(cluster, duplicates=0)
    for secret in (right_key, hub_key):
        places = places_of(secret, node.pid)
        assert places and all(place.locked for place in places), places

    # Another one is used for a while (ThingWorx refuses it), and replaced.
    cluster.thingworx.key_file.write_text(OTHER_KEY)
    node.signal(signal.SIGHUP)
    cluster.hub.generate(rate=RATE)
    wait_until(lambda: cluster.thingworx.state()["refused"].get("401", 0) > 0, 60,
               "requests are refused for their key")
    assert places_of(OTHER_KEY, node.pid)
    cluster.thingworx.key_file.write_text(right_key)
    node.signal(signal.SIGHUP)
    settle(cluster, duplicates=0)
    assert places_of(right_key, node.pid)
    assert places_of(OTHER_KEY, node.pid) == []
    end(cluster)


def core_limits(node):
    with open(f"/proc/{node.pid}/limits", encoding="utf-8") as file:
        return re.search(r"Max core file size\s+(\S+)\s+(\S+)", file.read()).groups()


def test_a_node_leaves_no_core_file_unless_it_may(make_cluster):
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    cluster = make_cluster(nodes=1)
    assert core_limits(cluster.nodes["node-1"])[0] == "0"
    other = cluster.add_node("other", arguments=["--core-dumps", "allow"])
    soft, hard = core_limits(other)
    assert soft == hard
    end(cluster)
