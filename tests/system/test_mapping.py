"""From payload to property: rules as rows, carried out by nodes, and explained."""

import json
import os
import subprocess

from harness import http, place
from harness.waiting import wait_until
from proof import end

DEVICE = "press-1"


def values(cluster, names, thing=None):
    """[(property, value)] of a Thing from the ledger, in the order of acceptance."""
    _status, text = http.fetch(f"{cluster.thingworx.control}/ledger?names={names}")
    lines = (line.split("\t") for line in text.splitlines())
    return [(line[4], json.loads(line[6])) for line in lines if thing in (None, line[3])]


def set_mapping(cluster, name, action, **arguments):
    given = "".join(f", {argument} => %s" for argument in arguments)
    cluster.query(f"SELECT holdfast.set_mapping('demo', %s, %s{given})",
                  (name, action, *arguments.values()), user="admin")


def until(cluster, what, body, wanted):
    """Sends the event until the nodes, which follow by themselves, make of it what is wanted."""
    names = ",".join(name for name, _value in wanted)

    def made():
        cluster.hub.send(DEVICE, body=body)
        return values(cluster, names, DEVICE)[-len(wanted):] == wanted

    wait_until(made, 60, what, every=0.2)


def test_nodes_follow_the_rules(make_cluster):
    cluster = make_cluster(nodes=1, partitions=1, things=[DEVICE, "oven-1"])
    body = {"engine": {"rpm": 1200.0, "oil": {"t": 80}}, "x": 1}
    until(cluster, "nested objects arrive as JSON",
          body, [("engine", {"rpm": 1200.0, "oil": {"t": 80}}), ("x", 1)])
    set_mapping(cluster, "rpm", "property", pointer="/engine/rpm", property="Rpm",
                base_type="INTEGER", devices="press-*")
    set_mapping(cluster, "engine", "drop", pointer="/engine", devices="press-*")
    set_mapping(cluster, "site", "constant", property="site", value='"north"')
    until(cluster, "the rules are followed", body, [("x", 1), ("Rpm", 1200), ("site", "north")])
    cluster.hub.send("oven-1", body=body)
    wait_until(lambda: values(cluster, "engine,site", "oven-1"), 60, "another device sends")
    assert [name for name, _value in values(cluster, "engine,Rpm,site", "oven-1")] == [
        "engine", "site"], "rules for presses do not concern ovens"
    cluster.query("SELECT holdfast.drop_mapping('demo', 'engine')", user="admin")
    set_mapping(cluster, "flat", "flatten", pointer="/engine", separator=".")
    until(cluster, "and when they change", body,
          [("x", 1), ("Rpm", 1200), ("engine.oil.t", 80), ("site", "north")])
    assert cluster.dead_letters() == []
    end(cluster)


def test_what_thingworx_does_not_take_of_a_rule_is_a_dead_letter(make_cluster):
    cluster = make_cluster(nodes=1, partitions=1, things=[DEVICE])
    cluster.thingworx.ask("/things", {"names": ["strict"], "properties": {"n": "INTEGER"},
                                      "permissive": False})
    cluster.query("SELECT holdfast.bind_device('demo', 'device-9', 'strict')", user="admin")
    set_mapping(cluster, "n", "property", pointer="/a/n", property="n", base_type="INTEGER")
    set_mapping(cluster, "rest", "drop", pointer="/a")
    until(cluster, "the rules are followed", {"a": {"n": "7"}}, [("n", 7)])
    cluster.hub.send("device-9", body={"a": {"n": "seven"}})
    cluster.hub.send("device-9", body={"a": {"n": 8.0}})

    def refused():
        # It takes another Thing that accepts to prove that the data is at fault.
        cluster.hub.send(DEVICE, body={"a": {"n": 1}})
        return cluster.dead_letters()

    wait_until(refused, 60, "what is no INTEGER is a dead letter", every=0.2)
    (letter,) = cluster.dead_letters()
    assert (letter.device, letter.property, letter.reason) == ("device-9", "n", "refused")
    wait_until(lambda: values(cluster, "n", "strict"), 60, "what fits is written")
    assert values(cluster, "n", "strict") == [("n", 8)]
    end(cluster)


def explain(cluster, *arguments, body="", user="reader"):
    """(exit status, output) of `holdfast explain`."""
    done = subprocess.run(
        [place.program("holdfast"), "explain", *arguments], input=body, text=True,
        capture_output=True, timeout=60, check=False,
        env={**os.environ, "HOLDFAST_DATABASE": cluster.postgres.dsn(user, cluster.database)})
    return done.returncode, done.stdout + done.stderr


def test_explain_says_what_a_node_does(make_cluster, tmp_path):
    cluster = make_cluster(nodes=1, partitions=1, things=[DEVICE])
    set_mapping(cluster, "rpm", "property", pointer="/engine/rpm", property="Rpm",
                base_type="INTEGER", devices="press-*")
    set_mapping(cluster, "rest", "drop", pointer="/engine", devices="press-*")
    body = {"engine": {"rpm": 1200.0}, "x": 9007199254740993}
    until(cluster, "the rules are followed", body, [("x", 9007199254740993), ("Rpm", 1200)])
    event = tmp_path / "event.json"
    event.write_text(json.dumps(body))
    status, text = explain(cluster, "--device", DEVICE, str(event))
    assert status == 0, text
    for part in (f"device {DEVICE} of fleet demo: Thing {DEVICE} (bound by the fleet's rule {{device}})",
                 f"destination thingworx: {cluster.thingworx.base_url}", "  Rpm = 1200\n",
                 "base type INTEGER, quality GOOD", "by rule rpm\n", "  x = 9007199254740993\n",
                 "base type LONG", "no rule: by its own name and type"):
        assert part in text, f"{part} is not in: {text}"
    # What does not fit is said; a body from the standard input; who may ask.
    status, text = explain(cluster, "--device", DEVICE, body='{"engine":{"rpm":"fast"}}',
                           user="admin")
    assert status == 0 and "it does not fit INTEGER" in text and 'Rpm = "fast"' in text, text
    status, text = explain(cluster, "--device", DEVICE, body='{"x":1', user="reader")
    assert status == 1 and "dead letter, unparsable: not a JSON object" in text, text
    status, text = explain(cluster, "--device", DEVICE, body="{}", user="node")
    assert status == 3 and "member of holdfast_reader or holdfast_admin" in text, text
    status, text = explain(cluster, body="{}")
    assert status == 2 and "needs a device" in text, text
    # A device that nobody has seen is not bound by asking.
    status, text = explain(cluster, "--device", "press-2", body='{"x":1}')
    assert status == 0 and "not seen yet; the fleet's rule {device} will bind it" in text, text
    assert cluster.query("SELECT FROM holdfast.bindings WHERE device = 'press-2'") == []
    status, text = explain(
        cluster, "--device", DEVICE, "--module", "opc", "--property",
        "$$ContentType=application/x-monitored-item-json-v1",
        body='{"NodeId":"ns=1;s=Speed","Value":{"Value":1.5,"StatusCode":2147483648}}')
    assert status == 0 and f"Thing {DEVICE}:opc\n  Speed = 1.5\n" in text, text
    assert "quality BAD" in text and "read as a message of OPC Publisher" in text
    end(cluster)
