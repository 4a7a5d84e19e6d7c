"""What a node shows to Prometheus: well-formed, complete, and true."""

import re
import signal
import subprocess
import sys
import time
import urllib.request

from harness import http, place
from harness.waiting import wait_until
from proof import end, settle

sys.path.append(str(place.ROOT / "tests/tools"))
import tables  # pylint: disable=wrong-import-position

RATE = 400
TTL_MS = 15000  # a busy machine shall cost no lease where no hand-over may be a forced one


def families(text):
    """{name: (kind, help)} of a page in the text format."""
    kinds = dict(line.split(" ", 3)[2:] for line in text.splitlines() if line.startswith("# TYPE "))
    helps = dict(line.split(" ", 3)[2:] for line in text.splitlines() if line.startswith("# HELP "))
    return {name: (kind, helps[name].rstrip(".")) for name, kind in kinds.items()}


def page(node):
    status, text = http.fetch(f"http://{node.address}:{node.port}/metrics")
    assert status == 200
    return text


def promtool(*arguments, text=None):
    done = subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True,
                          timeout=300, check=False)
    assert done.returncode == 0 and not done.stderr.strip(), done.stdout + done.stderr


def read_as_openmetrics(node, folder):
    """Prometheus' own parser reads it; it wants a time on every sample of a file."""
    request = urllib.request.Request(
        f"http://{node.address}:{node.port}/metrics",
        headers={"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=120) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text;")
        text = answer.read().decode()
    assert "# UNIT holdfast_lag_seconds seconds\n" in text
    assert "# TYPE holdfast_event_bytes_received counter\n" in text
    now = int(time.time())
    (folder / "openmetrics").write_text(
        re.sub(r"^([^#].*)$", rf"\1 {now}", text, flags=re.M), encoding="utf-8")
    promtool("tsdb", "create-blocks-from", "openmetrics", str(folder / "openmetrics"),
             str(folder / "blocks"))


def test_a_scrape_under_load(make_cluster):
    cluster = make_cluster(nodes=2, partitions=4, node_arguments=["--ttl-ms", str(TTL_MS)])
    cluster.hub.generate(rate=RATE)
    nodes = cluster.nodes
    wait_until(lambda: all(node.metric("holdfast_events_delivered_total") > RATE
                           for node in nodes.values()), 60, "both nodes deliver")
    documented = {name: (kind, text.rstrip("."))
                  for name, kind, _labels, text in tables.metrics()}
    for node in nodes.values():
        text = page(node)
        promtool("check", "metrics", text=text)
        assert families(text) == documented

    read_as_openmetrics(nodes["node-1"], cluster.run.path)

    # A hand-over, as both sides count it.
    before = {name: node.metrics() for name, node in nodes.items()}
    cluster.query("SELECT holdfast.drain_node('node-1')", user="admin")
    wait_until(lambda: cluster.partitions_of("node-1") == [], 60, "node-1 is drained")
    # How far behind a partition is, is known from its first event on.
    wait_until(lambda: len(nodes["node-2"].metrics().get("holdfast_partition_lag_events", {})) == 4, 60,
               "node-2 has had an event of each partition")
    found = settle(cluster, duplicates=0)
    # A ping goes out every third of the TTL only.
    wait_until(lambda: all(node.metric("holdfast_lease_renewal_seconds_count") > 0
                           for node in nodes.values()), 60, "both have renewed their leases")
    after = {name: node.metrics() for name, node in nodes.items()}

    def growth(name, metric, labels=""):
        return after[name][metric][labels] - before[name][metric].get(labels, 0)

    def whole(metric, labels=""):
        return sum(figures[metric][labels] for figures in after.values())

    assert growth("node-1", "holdfast_hand_overs_total", 'kind="planned"') == 2
    assert growth("node-2", "holdfast_grants_total") == 2
    assert whole("holdfast_hand_overs_total", 'kind="lost"') == 0
    assert after["node-1"]["holdfast_partitions_owned"][""] == 0
    assert not after["node-1"].get("holdfast_partition_lag_seconds"), "they have gone"

    # The figures agree with what the hub sent and with each other.
    destination = cluster.query("SELECT name FROM holdfast.destination")[0][0]
    labels = f'destination="{destination}"'
    assert whole("holdfast_events_delivered_total") == found["emitted"]
    assert whole("holdfast_event_latency_seconds_count", labels) == found["emitted"]
    assert whole("holdfast_event_latency_seconds_sum", labels) > 0
    assert whole("holdfast_event_bytes_received_total") > 100 * found["emitted"]
    requests = whole("holdfast_thingworx_requests_total")
    assert whole("holdfast_thingworx_request_duration_seconds_count", labels) == requests
    assert sum(whole("holdfast_thingworx_answers_total", key)
               for key in after["node-2"]["holdfast_thingworx_answers_total"]) == requests
    assert whole("holdfast_thingworx_request_values_sum", labels) == whole(
        "holdfast_values_delivered_total")
    assert whole("holdfast_lag_events") == 0
    assert after["node-2"]["holdfast_partition_lag_events"].keys() == \
        after["node-2"]["holdfast_partition_lag_seconds"].keys()
    assert len(after["node-2"]["holdfast_partition_lag_events"]) == 4
    assert whole("holdfast_leader") == 1
    for figures in after.values():
        assert figures["holdfast_destination_state"][f'{labels},state="ok"'] == 1
        assert figures["holdfast_database_round_trip_seconds_count"][""] > 0
        assert 0 < figures["holdfast_lease_remaining_trust_seconds"][""] <= TTL_MS / 1000
        assert figures["process_open_fds"][""] > 3
    end(cluster)


def test_what_waits_and_what_is_lost(make_cluster):
    """A ThingWorx that hangs: the lag grows though nothing is read, the state and the breaker are
    shown; a node that is frozen meanwhile loses its partitions and says so."""
    cluster = make_cluster(nodes=2, partitions=4)
    cluster.hub.generate(rate=RATE)
    frozen, other = cluster.nodes["node-1"], cluster.nodes["node-2"]
    wait_until(lambda: all(node.metric("holdfast_events_delivered_total") > RATE
                           for node in (frozen, other)), 60, "both nodes deliver")
    cluster.thingworx.fault(kind="status", status=503)
    destination = cluster.query("SELECT name FROM holdfast.destination")[0][0]
    away = f'destination="{destination}",state="unreachable"'

    def left():
        figures = other.metrics()
        return figures["holdfast_destination_state"][away] == 1 and sum(
            value for key, value in figures["holdfast_base_url_breaker_state"].items()
            if 'state="closed"' not in key) >= 1

    wait_until(left, 60, "the destination counts as unreachable, its base URL as left")
    wait_until(lambda: other.metrics()["holdfast_lag_seconds"][""] > 3, 60, "the lag grows")
    frozen.signal(signal.SIGSTOP)
    wait_until(lambda: cluster.partitions_of("node-1") == [], 60, "its partitions have moved")
    frozen.signal(signal.SIGCONT)
    wait_until(lambda: frozen.metric("holdfast_joins_total") >= 2, 60, "it has joined again")
    wait_until(lambda: frozen.metrics()["holdfast_hand_overs_total"]['kind="lost"'] == 2, 60,
               "it knows what it has lost")
    cluster.thingworx.clear_faults()
    found = settle(cluster, duplicates=int(RATE))
    repeated = frozen.metric("holdfast_events_delivered_unsaved_total")
    print(f"{found['duplicates']} duplicates, {repeated:g} events told of")
    end(cluster)
