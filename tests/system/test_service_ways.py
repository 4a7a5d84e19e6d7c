"""Where no source says how the service behaves, the lab can behave in every way that is likely (its
settings): the node must be right in each."""

import pathlib
import subprocess

import pytest
from harness.waiting import wait_until
from proof import died_with, end, settle
from source_kit import LAB, Hub, Source, sequences
from test_hub_changes import RATE, feed

SETTINGS = [line.split("\t") for line in subprocess.run(
    [str(LAB), "hub", "--settings"], capture_output=True, text=True,
    check=True).stdout.splitlines()] if pathlib.Path(LAB).exists() else []
WAYS = [(name, value) for name, _, *others in SETTINGS for value in others]


@pytest.fixture(name="drive")
def _drive():
    made = []

    def make(*arguments, **more):
        made.append(Source(*arguments, **more))
        return made[-1]

    yield make
    for source in made:
        source.quit()


@pytest.mark.parametrize("name, value", WAYS)
def test_the_source_is_right_either_way(tmp_path, drive, name, value):
    hub = Hub(tmp_path, "--tls-port", 0, "--tls-dir", tmp_path / "tls", "--iothub", "localhost",
              "--set", f"{name}={value}")
    hub.send(count=5)
    # It finds the endpoint, reads, and resumes behind what it has read.
    source = drive(hub.service_string(), authority=hub.authority, node="first").up()
    source.read(token=5)
    first = source.messages(5)
    assert sequences(first) == [0, 1, 2, 3, 4] and first[4]["last"] == 4
    source.say("stop 0")
    source.expect("ended 0 closed")
    source.read(position=f"after:{first[2]['offset']}", token=6)
    assert sequences(source.messages(2)) == [3, 4]
    # It steps aside for a higher token, and a lower one is not let in again.
    other = drive(hub.connection_string(), node="second").up()
    other.read(token=7)
    other.messages(5)
    assert source.next().startswith("ended 0 stolen")
    source.say("read 0 6 earliest 10")
    assert source.expect("ended 0").startswith("ended 0 stolen")
    # What is not there is told from what is only away.
    other.say("read 1 7 after:99999999 10")
    assert other.expect("ended 1").startswith("ended 1 bad_offset")
    other.say("read 99 7 earliest 10")
    assert other.expect("ended 99").startswith("ended 99 not_found")
    hub.send()
    assert sequences(other.messages(1)) == [5]
    assert source.counters()["failures"] == other.counters()["failures"] == 0
    hub.stop()


def test_a_cluster_is_right_when_everything_is_otherwise(make_cluster):
    """Over TLS, through the redirect, with a take-over from saved offsets."""
    cluster = make_cluster(nodes=2, partitions=4, form="iothub", started=False)
    cluster.prepare()
    cluster.hub.ask("/settings", dict(reversed(WAYS)))
    cluster.configure()
    for name in cluster.names:
        cluster.add_node(name)
    cluster.wait_balanced()
    feed(cluster, RATE)
    settle(cluster, duplicates=0)
    victim = wait_until(cluster.leader, 60, "somebody leads")
    orphans = len(cluster.partitions_of(victim))
    cluster.nodes[victim].kill()
    feed(cluster, RATE)
    settle(cluster, duplicates=died_with(RATE, orphans, 4))
    offsets = [row.event_offset for row in cluster.query(
        "SELECT event_offset FROM holdfast.checkpoint WHERE event_offset IS NOT NULL")]
    assert len(offsets) == 4 and all(text.startswith("1:") for text in offsets)
    end(cluster)
