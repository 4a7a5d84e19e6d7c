"""What the tests of a database that fails over look at."""

import re

from harness.waiting import wait_until

RATE = 300
NODES = 3
# Partitions are kept for their nodes for one TTL; on a busy machine a node may take its time.
PATIENT = ["--ttl-ms", "15000", "--drain-ms", "50000"]


def wait_checkpoints(cluster):
    wait_until(lambda: len(cluster.checkpoints()) == cluster.hub.partitions, 60,
               "every partition has a checkpoint")


def wait_known(cluster):
    """Until every device has been met, so that its events need no database any more."""
    wait_checkpoints(cluster)
    wait_until(lambda: cluster.query("SELECT count(*) AS n FROM holdfast.bindings")[0].n
               == cluster.devices, 60, "every device is bound")


def tokens(cluster):
    return {partition: token for partition, (_node, token, _state) in cluster.grants().items()}


def accepted(cluster):
    return cluster.thingworx.state()["accepted_values"]


def emitted(cluster):
    return cluster.hub.state()["emitted"]


def wait_accepted(cluster, events):
    """Until ThingWorx has taken the values of so many events more."""
    enough = accepted(cluster) + events * cluster.properties
    wait_until(lambda: accepted(cluster) > enough, 120, "delivery goes on without the database")


def wait_events(cluster, seconds):
    """Until the hub has sent as much as in so many seconds."""
    since = emitted(cluster)
    wait_until(lambda: emitted(cluster) >= since + seconds * RATE, 60, "events flow")


def wait_attached(cluster, server, nodes=NODES):
    """Until so many nodes are joined to that server, on its timeline, and own all partitions."""
    def attached():
        found = cluster.query(
            "SELECT count(*) AS n FROM holdfast.session s JOIN holdfast.incarnation_history i"
            " USING (incarnation) WHERE s.ended_at IS NULL"
            "   AND i.incarnation = (SELECT incarnation FROM holdfast.incarnation_live)"
            "   AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = s.lease_pid"
            "                  AND a.backend_start = s.lease_start)")
        return found[0].n == nodes and len(cluster.owners()) == cluster.hub.partitions
    assert cluster.postgres.primary is server
    wait_until(attached, 120, lambda: f"{nodes} nodes own everything at the new primary:"
                                     f" {cluster.grants()}")


def assert_one_history(cluster):
    """On the surviving timeline: tokens grow in the order of the grants, terms and ownerships do
    not overlap, and diagnose() finds nothing wrong."""
    shrunk = cluster.query(
        "SELECT * FROM (SELECT hub, partition, since, token, lag(token) OVER w AS before, how"
        "  FROM holdfast.partition_history WINDOW w AS (PARTITION BY hub, partition ORDER BY since))"
        " h WHERE token < before OR (token = before AND how <> 'adopted')")
    assert shrunk == []
    shrunk = cluster.query(
        "SELECT * FROM (SELECT since, token, lag(token) OVER (ORDER BY since) AS before"
        "  FROM holdfast.leader_history) h WHERE token <= before")
    assert shrunk == []
    for view, key in (("partition_history", "hub, partition"), ("leader_history", "1")):
        overlapping = cluster.query(
            f"SELECT * FROM (SELECT since, lag(coalesce(until, 'infinity')) OVER"
            f" (PARTITION BY {key} ORDER BY since) AS before FROM holdfast.{view}) h"
            f" WHERE before > since")
        assert overlapping == [], view
    assert cluster.query("SELECT * FROM holdfast.diagnose() WHERE severity = 'error'") == []


def timelines(cluster):
    """Of the lives of the database, oldest first."""
    return [row.timeline for row in cluster.query(
        "SELECT timeline FROM holdfast.incarnation_history ORDER BY began_at")]


def assert_went_on(node, timeline):
    """A node's sessions went from timeline to timeline up to that one, and never back."""
    joined = [int(found) for found in re.findall(r'"?joined the cluster"?.*\btimeline=(\d+)',
                                                 node.log.read_text(errors="replace"))]
    assert joined == sorted(joined)
    assert set(joined) == set(range(1, timeline + 1))
