"""Things that ThingWorx does not have are made, where the fleet wants it so."""

from harness.waiting import wait_until
from proof import end
from test_mapping import explain, values

MADE = "Thing made"


def set_creation(cluster, template="GenericThing"):
    cluster.query("SELECT holdfast.set_thing_creation('demo', %s)", (template,), user="admin")


def events(cluster, message, subject=None):
    return [row for row in cluster.query(
        "SELECT message, subject, detail, hint FROM holdfast.events WHERE message = %s", (message,),
        user="reader") if subject in (None, row.subject)]


def thing(cluster, name):
    """{property: (base type, value)} and whether it is enabled; None if there is none."""
    try:
        found = cluster.thingworx.ask(f"/things/{name}")
    except RuntimeError:
        return None
    return {key: (value["baseType"], value["value"])
            for key, value in found["properties"].items()}, found["enabled"]



def test_a_missing_thing_is_made_with_what_its_first_events_hold(make_cluster):
    cluster = make_cluster(nodes=2, partitions=2, things=["other"])
    cluster.thingworx.ask("/settings", {"model_sync_ms": 300})
    set_creation(cluster)
    # Two nodes make one Thing.
    for partition, device in enumerate(("left", "right")):
        cluster.query("SELECT holdfast.bind_device('demo', %s, 'twin')", (device,), user="admin")
        cluster.hub.send(device, body={device: partition}, partition=partition)
    body = {"t": 21.5, "on": True, "name": "press", "big": 9007199254740993, "o": {"a": 1}}
    cluster.hub.send("press-1", body=body, partition=0)  # nothing was ever accepted: there is no proof of anything
    cluster.wait_delivered()
    assert thing(cluster, "twin") == ({"left": ("NUMBER", 0), "right": ("NUMBER", 1)}, True)
    properties, enabled = thing(cluster, "press-1")
    assert enabled and properties == {
        "t": ("NUMBER", 21.5), "on": ("BOOLEAN", True), "name": ("STRING", "press"),
        "big": ("LONG", 9007199254740993), "o": ("JSON", {"a": 1})}
    # A property that appears later is defined too; the values that are known go on.
    cluster.hub.send("press-1", body={"t": 22.5, "later": "yes"}, partition=0)
    cluster.wait_delivered()
    properties, _enabled = thing(cluster, "press-1")
    assert properties["later"] == ("STRING", "yes") and properties["t"] == ("NUMBER", 22.5)
    assert [value for _name, value in values(cluster, "t", "press-1")] == [21.5, 22.5]
    # A value that does not fit is a dead letter all the same.
    cluster.hub.send("press-1", body={"t": "hot"}, partition=0)

    def refused():
        cluster.hub.send("press-2", body={"t": 1}, partition=0)
        return cluster.dead_letters()

    wait_until(refused, 60, "what does not fit is refused", every=0.3)
    cluster.wait_delivered()
    assert {(row.device, row.property) for row in cluster.dead_letters()} == {("press-1", "t")}
    assert {row.subject for row in events(cluster, MADE)} >= {"press-1", "press-2", "twin"}
    status, text = explain(cluster, "--device", "press-9", body='{"t":1}')
    assert status == 0 and "missing Things are made of template GenericThing" in text, text
    end(cluster)


def test_a_node_that_dies_half_way_leaves_it_to_the_next(make_cluster):
    """Made, and not yet enabled: the platform's other nodes do not know it yet when the node dies."""
    cluster = make_cluster(nodes=2, partitions=1, things=["other"])
    set_creation(cluster)
    cluster.thingworx.ask("/settings", {"model_sync_ms": 3600000})
    cluster.hub.send("press-1", body={"t": 1})
    wait_until(lambda: thing(cluster, "press-1"), 60, "the Thing is made")
    (owner,) = set(cluster.owners().values())
    cluster.nodes[owner].kill()
    assert thing(cluster, "press-1") == ({}, False), "and no more than that"
    cluster.thingworx.ask("/settings", {"model_sync_ms": 0})
    wait_until(lambda: set(cluster.owners().values()) - {owner}, 60, "another node reads on")
    cluster.wait_delivered()
    assert thing(cluster, "press-1") == ({"t": ("NUMBER", 1)}, True)
    assert cluster.dead_letters() == []
    end(cluster)


def test_who_may_not_make_things_is_told_and_nothing_is_lost(make_cluster):
    cluster = make_cluster(nodes=1, partitions=1, things=["other"])
    cluster.thingworx.ask("/settings", {"create": False})
    set_creation(cluster)
    cluster.hub.send("press-1", body={"t": 1})
    cluster.hub.send("other", body={"seq": 1})
    said = wait_until(lambda: events(cluster, "a Thing that is missing cannot be made", "press-1"),
                      60, "it is said")[0]
    assert "CreateThing" in said.hint and "HTTP 403" in said.detail
    wait_until(lambda: values(cluster, "seq", "other"), 60, "others go on")
    assert cluster.dead_letters() == []
    cluster.thingworx.ask("/settings", {"create": True})
    cluster.wait_delivered()
    assert thing(cluster, "press-1") == ({"t": ("NUMBER", 1)}, True)
    end(cluster)
