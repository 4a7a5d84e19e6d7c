"""A property that says whether anything is heard of a device."""

from database_kit import logged
from harness.waiting import wait_until
from proof import end
from test_mapping import explain, values

EDGE, FIRST, OTHER = "edge-1", "edge-2", "device-1"


def set_heartbeat(cluster, silence, **arguments):
    given = "".join(f", {argument} => %s" for argument in arguments)
    cluster.query(f"SELECT holdfast.set_heartbeat('demo', 'edge', silence => %s{given})",
                  (silence, *arguments.values()), user="admin")


def said(cluster, thing=EDGE, name="isConnected"):
    return [value for _name, value in values(cluster, name, thing)]


def connected(cluster):
    return [row.thing for row in cluster.query(
        "SELECT thing FROM holdfast.connected_things ORDER BY 1", user="reader")]


def test_silence_is_said_and_the_next_event_ends_it(make_cluster):
    cluster = make_cluster(nodes=1, partitions=1, things=[EDGE, OTHER])
    cluster.hub.send(EDGE, body={"x": 1})
    cluster.wait_delivered()
    # Long enough that a slow machine is no silence.
    set_heartbeat(cluster, "1 hour", devices="edge-*")

    def heard():
        cluster.hub.send(EDGE, body={"x": 2})
        return said(cluster)

    wait_until(heard, 60, "the rule is followed", every=0.1)
    cluster.wait_delivered()
    wait_until(lambda: connected(cluster) == [EDGE], 60, "and kept in mind")
    assert said(cluster) == [True]
    set_heartbeat(cluster, "2 seconds", devices="edge-*")
    wait_until(lambda: said(cluster) == [True, False], 60, "the silence is said")
    wait_until(lambda: connected(cluster) == [], 60, "and forgotten")
    cluster.hub.send(EDGE, body={})  # no value, and yet a sign of life
    cluster.hub.send(OTHER, body={"x": 3})
    wait_until(lambda: said(cluster)[2:3] == [True], 60, "the next event ends it")
    cluster.wait_delivered()
    assert said(cluster, OTHER) == [], "a rule for edge-* does not concern others"
    status, text = explain(cluster, "--device", EDGE, body="{}")
    assert status == 0 and ("isConnected is true with the first event after silence, and false after "
                            "2.000 s without one, by rule edge") in text, text
    cluster.query("SELECT holdfast.drop_heartbeat('demo', 'edge')", user="admin")
    assert cluster.dead_letters() == [] and connected(cluster) == []
    end(cluster)


def test_a_node_that_dies_leaves_nobody_connected_for_ever(make_cluster):
    """Who goes on sending is never called disconnected, who stops is, whoever reads on."""
    cluster = make_cluster(nodes=2, partitions=1, things=[EDGE, "device-00000"])
    set_heartbeat(cluster, "5 seconds")
    cluster.hub.generate(devices=1, rate=20, properties=2)

    def both():
        cluster.hub.send(EDGE, body={"x": 1})
        return connected(cluster) == ["device-00000", EDGE]

    wait_until(both, 60, "both are heard of", every=0.2)
    mark = cluster.hub.ends()["0"]
    wait_until(lambda: cluster.checkpoints().get("0", -1) >= mark, 60,
               "no event of the one will be read again")
    (owner,) = set(cluster.owners().values())
    cluster.nodes[owner].kill()
    wait_until(lambda: set(cluster.owners().values()) - {owner}, 60, "another node reads on")
    wait_until(lambda: said(cluster)[-1:] == [False], 60, "the silence of the one is said")
    others = said(cluster, "device-00000")
    cluster.hub.stop_generator()  # from here on the other is silent, too
    assert False not in others, "the other was never silent"
    # The successor says "connected" once more, as it cannot know what had arrived.
    assert others[:2] == [True, True]
    assert len(others) <= 3
    cluster.wait_delivered()

    def count():
        return len(said(cluster)) + len(said(cluster, "device-00000"))

    def checked():
        """What the check found, if nothing was said meanwhile."""
        before, found = count(), cluster.check()
        return (found, before) if count() == before else None

    found, heartbeats = wait_until(checked, 60, "nothing is said for a while")
    assert found["lost"] == found["altered"] == found["out_of_order"] == 0, found
    assert found["foreign"] == heartbeats, "the hub never sent them"
    end(cluster)


def test_no_checkpoint_passes_a_device_that_the_next_owner_would_not_know(make_cluster):
    cluster = make_cluster(nodes=1, partitions=1, things=[EDGE, FIRST, OTHER])
    set_heartbeat(cluster, "1 hour", devices="edge-*")

    def followed():
        cluster.hub.send(FIRST, body={"x": 1})
        return said(cluster, FIRST)

    wait_until(followed, 60, "the rule is followed", every=0.2)
    cluster.wait_delivered()
    wait_until(lambda: connected(cluster) == [FIRST], 60, "what was said so far is kept in mind")

    def noted_again(before):
        """The backend that waits for the lock with another call than before."""
        return cluster.query(
            "SELECT pid, query_start FROM pg_stat_activity WHERE query LIKE %s AND pid <>"
            " pg_backend_pid() AND wait_event_type = 'Lock' AND query_start > %s",
            ("%note_presence%", before))

    held = cluster.postgres.connect("postgres", cluster.database)
    held.autocommit = False
    with held.cursor() as cursor:
        cursor.execute("LOCK TABLE holdfast.presence IN SHARE MODE")

        before = cluster.checkpoints()
        cluster.hub.send(EDGE, body={"x": 1})
        wait_until(lambda: said(cluster) == [True], 60, "it is said")
        (first,) = wait_until(lambda: noted_again("-infinity"), 60, "the row is being written")
        cluster.hub.send(OTHER, body={"x": 2})
        cluster.query("SELECT pg_cancel_backend(%s)", (first.pid,))
        wait_until(lambda: noted_again(first.query_start), 60, "it is tried again")
        assert cluster.checkpoints() == before, "the first attempt was in vain"
    held.rollback()
    held.close()
    cluster.wait_delivered()
    assert connected(cluster) == [EDGE, FIRST] and said(cluster) == [True]
    end(cluster)


def test_a_checkpoint_that_waits_for_a_device_does_not_reach_a_log_that_was_given_up(make_cluster):
    """The hub says that the log is another one while a checkpoint of the old one waits behind what
    is noted of a device. In the new log it would pass what nobody has read."""
    first, other = "device-1", "edge-2"
    cluster = make_cluster(nodes=1, partitions=1, things=[EDGE, first, other],
                           policies={"on_invalid_offset": "earliest"})
    node = cluster.nodes["node-1"]
    cluster.hub.send(first, body={"x": 0})
    cluster.wait_delivered()
    assert node.stop() == 0
    node.start()  # and goes on behind a stored offset, which can turn out to be unknown
    set_heartbeat(cluster, "1 hour", devices="edge-*")

    def heard():
        cluster.hub.send(other, body={"x": 1})
        return said(cluster, other)

    def saves():
        return node.metric("holdfast_checkpoint_batch_partitions_count")

    wait_until(heard, 60, "the rule is followed", every=0.2)
    cluster.wait_delivered()
    wait_until(lambda: connected(cluster) == [other], 60, "and noted")
    before = saves()
    held = cluster.postgres.connect("postgres", cluster.database)
    held.autocommit = False
    with held.cursor() as cursor:
        cursor.execute("LOCK TABLE holdfast.presence IN SHARE MODE")
        cluster.hub.send(EDGE, body={"x": 2})
        wait_until(lambda: saves() > before, 60, "a checkpoint is to be saved")
        wait_until(lambda: cluster.query(
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE %s AND pid <> pg_backend_pid()"
            " AND datname = current_database() AND wait_event_type = 'Lock'",
            ("%note_presence%",)), 60, "and waits for the row of the device")
        # Of the new log only the first event can be delivered at first, and so be passed.
        cluster.thingworx.fault(kind="hang", thing=other)
        cluster.hub.fault(kind="detach", partition=0, condition="com.microsoft:argument-error",
                          description="The supplied offset '1' is invalid.")
        wait_until(lambda: logged(node, "to=abandoning"), 60, "the log is given up")
    held.rollback()
    held.close()

    def begun_anew():
        return cluster.query("SELECT sequence FROM holdfast.checkpoint"
                             " WHERE generation = 2 AND sequence IS NOT NULL")

    (row,) = wait_until(begun_anew, 60, "a checkpoint of the new log is saved")
    assert row.sequence == 0, "it passes what was not read"
    cluster.thingworx.clear_faults()
    cluster.wait_delivered()
    assert node.metric("holdfast_checkpoints_refused_total") == 0
    again = [value for _name, value in values(cluster, "x")]
    assert min(again.count(0), again.count(2)) >= 2, "everything is read again"
    end(cluster)
