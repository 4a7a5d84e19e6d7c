"""The database under Patroni, as docs/failover.md sets it up: its primary's machine dies under load."""

import time

import pytest
from failover_kit import (NODES, PATIENT, RATE, assert_one_history, assert_went_on, timelines, tokens,
                          wait_attached, wait_events, wait_known)
from harness import patroni
from harness.waiting import wait_until
from database_kit import keep_for_long, same
from proof import accepted, died_with, end, settle

PROMISED_SECONDS = 2


@pytest.fixture
def database(run):
    missing = patroni.missing()
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (./dev setup installs them)")
    made = patroni.Patroni(run, "ha")
    yield made
    made.end()


def longest_gap(cluster, since):
    """Seconds for which ThingWorx was given nothing, since a time."""
    times = [since] + [us / 1e6 for us, *_rest in accepted(cluster) if us / 1e6 > since]
    return max(after - before for before, after in zip(times, times[1:]))


def seconds_after(cluster, what, since):
    """When the database says that something happened last, after a time."""
    return float(cluster.query(f"SELECT extract(epoch FROM {what})::float8 AS at")[0].at) - since


def wait_saved(cluster, since):
    """Until every partition's checkpoint has been saved after a time."""
    wait_until(lambda: cluster.query(
        "SELECT min(saved_at) > to_timestamp(%s) AS all FROM holdfast.checkpoint", (since,))[0].all,
        120, "checkpoints go on")


def test_the_machine_of_the_primary_dies(make_cluster, database):
    cluster = make_cluster(nodes=NODES, own_postgres=database.start(), node_arguments=PATIENT)
    cluster.hub.generate(rate=RATE)
    wait_known(cluster)
    keep_for_long(cluster)
    before, owners = tokens(cluster), cluster.owners()
    killed = time.time()
    dead, writable = database.fail_over()
    cluster.look_away()
    wait_attached(cluster, database.primary)
    wait_saved(cluster, writable)
    saved = time.time()
    same(cluster, cluster.owners(), owners, "partitions are kept for their nodes")
    assert min(tokens(cluster).values()) > max(before.values())
    assert timelines(cluster) == [1, 2]
    joined = seconds_after(cluster, "(SELECT max(joined_at) FROM holdfast.session"
                                    " WHERE ended_at IS NULL)", writable)
    leader = seconds_after(cluster, "(SELECT since FROM holdfast.leader_history"
                                    " WHERE until IS NULL)", writable)
    dead.start()
    database.wait_follows(dead)
    database.switch_over(dead)
    cluster.look_away()
    wait_attached(cluster, database.primary)
    assert timelines(cluster) == [1, 2, 3]
    wait_events(cluster, 1)
    found = settle(cluster, duplicates=died_with(RATE, 1, 1))
    print(f"a new primary took writes after {writable - killed:.1f} s; from there the leader led"
          f" after {leader:.2f} s, all nodes had joined after {joined:.2f} s (promised:"
          f" {PROMISED_SECONDS} s), and checkpoints of all partitions were saved after"
          f" {saved - writable:.2f} s; longest gap in ThingWorx {longest_gap(cluster, killed):.2f} s;"
          f" {found['duplicates']} of {found['emitted']} events arrived twice")
    assert joined < 15 * PROMISED_SECONDS
    for node in cluster.nodes.values():
        assert_went_on(node, 3)
    assert_one_history(cluster)
    end(cluster)
