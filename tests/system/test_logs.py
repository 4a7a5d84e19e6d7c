"""The log of a node: its level changes while it runs, and it tells no secret and no payload."""

import re
import signal

from harness.waiting import wait_until

RATE = 200
# In secrets and payloads, and nowhere else.
SECRET, PAYLOAD = "hf5ecr3tM4rk", "hfP4yl04dM4rk"


def text(node):
    return node.log.read_text(encoding="utf-8", errors="replace")


def changes(node):
    """[(from, to)] of its log level."""
    return re.findall(r" event=log_level_changed .* from=(\w+) to=(\w+)\n", text(node))


def test_the_level_changes_while_the_node_runs(make_cluster):
    cluster = make_cluster(nodes=2, partitions=2, node_arguments=["--ttl-ms", "15000"])
    node, other = cluster.nodes["node-1"], cluster.nodes["node-2"]

    def shown(name):
        return cluster.query("SELECT level, asked FROM holdfast.log_levels WHERE node = %s", (name,))[0]

    wait_until(lambda: shown("node-1") == ("info", None), 30, "the view shows its level")
    assert " level=debug " not in text(node)
    node.signal(signal.SIGUSR1)
    wait_until(lambda: changes(node) == [("info", "debug")], 30, "one signal, one step")
    node.signal(signal.SIGUSR2)
    wait_until(lambda: len(changes(node)) == 2, 30, "and back")
    node.signal(signal.SIGUSR2)
    wait_until(lambda: changes(node)[1:] == [("debug", "info"), ("info", "warning")], 30,
               "and one further")
    wait_until(lambda: shown("node-1") == ("warning", None), 30, "the view shows it")

    cluster.query("SELECT holdfast.set_log_level('node-1', 'debug', '1 hour')", user="admin")
    wait_until(lambda: shown("node-1") == ("debug", "debug"), 30, "by SQL")
    # For long first: a node that hears of a short one too late passes it over.
    expected = [("warning", "debug"), ("debug", "error")]
    cluster.query("SELECT holdfast.set_log_level('node-1', 'error', '1 hour')", user="admin")
    wait_until(lambda: changes(node)[3:] == expected, 60, "it says less")
    cluster.query("SELECT holdfast.set_log_level('node-1', 'error', '2 seconds')", user="admin")
    wait_until(lambda: changes(node)[3:] == expected + [("error", "warning")], 60,
               "it falls back by itself")
    assert changes(other) == []
    cluster.query("SELECT holdfast.set_log_level(NULL, 'debug')", user="admin")
    wait_until(lambda: changes(other) == [("info", "debug")], 30, "all of them")
    cluster.query("SELECT holdfast.set_log_level(NULL, NULL)", user="admin")
    wait_until(lambda: changes(other)[1:] == [("debug", "info")], 30, "and back at once")


def mark_secrets(cluster):
    """Puts the marker into every secret that the nodes read."""
    for path in (cluster.run.path / "secrets").iterdir():
        value = path.read_text(encoding="utf-8").strip()
        if "SharedAccessKey=" in value:
            value = re.sub(r"SharedAccessKey=[^;]*", f"SharedAccessKey={SECRET}", value)
        else:
            value = value + SECRET
        path.write_text(value + "\n", encoding="utf-8")


def test_no_secret_and_no_payload_is_told(make_cluster):
    """Everything that makes a node speak of what it holds, at debug: refused values and bodies,
    faults of ThingWorx, a wrong key for the hub, a password of the database."""
    cluster = make_cluster(nodes=1, partitions=2)
    node = cluster.nodes["node-1"]
    node.signal(signal.SIGUSR1)
    cluster.hub.generate(rate=RATE)
    wait_until(lambda: node.metric("holdfast_events_delivered_total") > RATE, 60, "it delivers")

    device = cluster.query("SELECT device FROM holdfast.bindings LIMIT 1")[0][0]
    for body in ({"no_such_property": PAYLOAD}, [PAYLOAD], {"p0": {PAYLOAD: PAYLOAD}}):
        cluster.hub.send(device, body=body)
    cluster.hub.send("nobody", body={"p0": PAYLOAD})
    wait_until(lambda: len(cluster.dead_letters()) >= 2, 60, "some are refused")
    for fault in ({"kind": "status", "status": 500}, {"kind": "lost_reply"},
                  {"kind": "status", "status": 401}, {"kind": "close"}):
        before = node.metric("holdfast_thingworx_requests_unaccepted_total")
        cluster.thingworx.fault(**fault)
        wait_until(lambda was=before: node.metric("holdfast_thingworx_requests_unaccepted_total")
                   > was, 120, f"a request meets {fault}")
        cluster.thingworx.clear_faults()
    mark_secrets(cluster)
    node.signal(signal.SIGHUP)
    wait_until(lambda: " event=source_down " in text(node) or " event=hub_unreadable " in text(node),
               60, "the hub refuses the key")
    node.stop()
    node.dsn += f" password={SECRET}"
    node.arguments += ["--log-level", "debug"]
    node.start(wait=False)
    wait_until(lambda: text(node).count(" event=starting ") == 2, 60, "it starts anew")
    wait_until(lambda: "password authentication failed" in text(node), 60,
               "the database refuses the password")
    node.kill()
    told = text(node)
    kinds = set(re.findall(r" event=(\w+) ", told))
    print(f"{len(told.splitlines())} lines, {len(kinds)} kinds of events")
    assert " level=debug " in told
    for marker in (SECRET, PAYLOAD):
        assert marker not in told, [line for line in told.splitlines() if marker in line][:3]
    assert all(" event=" in line for line in told.splitlines() if line.startswith("time="))
