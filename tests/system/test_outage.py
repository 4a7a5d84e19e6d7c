"""The hub and the database restart; the nodes do not."""

import pytest

from harness.waiting import wait_until
from proof import end, settle

RATE = 500
# For one TTL after a restart of the database partitions are kept for the nodes that had them.
ARGUMENTS = ["--ttl-ms", 30_000]


def test_hub_restart(make_cluster):
    cluster = make_cluster(nodes=2, node_arguments=ARGUMENTS)
    owners = cluster.owners()
    cluster.hub.generate(rate=RATE)
    wait_until(lambda: len(cluster.checkpoints()) == cluster.hub.partitions, 30,
               "every partition has a checkpoint")
    cluster.hub.restart()
    emitted = cluster.hub.state()["emitted"]
    cluster.hub.generate(rate=RATE)
    wait_until(lambda: cluster.hub.state()["emitted"] >= emitted + 2 * RATE, 30, "events flow")
    settle(cluster, duplicates=0)
    assert cluster.owners() == owners
    end(cluster)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_postgres_restart_moves_nothing(make_cluster, how):
    """Delivery goes on while the database is away, and every node keeps what it had."""
    cluster = make_cluster(nodes=3, node_arguments=ARGUMENTS)
    cluster.hub.generate(rate=RATE)
    wait_until(lambda: len(cluster.checkpoints()) == cluster.hub.partitions, 30,
               "every partition has a checkpoint")
    grants = cluster.grants()
    away_since = cluster.query("SELECT clock_timestamp() AS now")[0].now
    getattr(cluster.postgres, how)()
    accepted = cluster.thingworx.state()["accepted_values"]
    emitted = cluster.hub.state()["emitted"]
    wait_until(lambda: cluster.hub.state()["emitted"] >= emitted + 2 * RATE, 30, "events flow")
    wait_until(lambda: cluster.thingworx.state()["accepted_values"] > accepted + RATE, 30,
               "they are delivered")
    cluster.postgres.start()
    wait_until(lambda: len(cluster.owners()) == cluster.hub.partitions, 30,
               "all partitions have an owner")
    assert {p: grant[0] for p, grant in cluster.grants().items()} == {
        p: grant[0] for p, grant in grants.items()}
    settle(cluster, duplicates=0)
    moved = cluster.query("SELECT partition_id, node, how FROM holdfast.ownership"
                          " WHERE how <> 'adopted' AND lower(during) > %s", (away_since,))
    assert moved == []
    end(cluster)
