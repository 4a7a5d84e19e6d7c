"""A destination that fails for long, and one that is reached by TLS, with a certificate, by proxy."""

import signal

import pytest

from harness.tls_front import Authority, TlsFront
from harness.waiting import wait_until
from proof import end, settle
from source_kit import Proxy

RATE = 300


def destination(cluster):
    (row,) = cluster.query("SELECT state, reason FROM holdfast.destinations")
    return row


def set_destination(cluster, **more):
    more = {"base_urls": [cluster.thingworx.base_url], **more}
    cluster.query("SELECT holdfast.set_destination(name => 'thingworx',"
                  " app_key_secret => 'thingworx-app-key'"
                  + "".join(f", {name} => %s" for name in more) + ")", tuple(more.values()),
                  user="admin")


def events(cluster):
    return [row.message for row in cluster.query(
        "SELECT message FROM holdfast.events WHERE kind = 'destination'")]


IN_FLIGHT_MAX = 8000  # of one partition: WINDOW_MAX of src/node/grants.c


@pytest.mark.parametrize("fault", [{"kind": "starting"}, {"kind": "status", "status": 401}])
def test_a_long_outage_marks_it_failed(make_cluster, fault):
    cluster = make_cluster(nodes=1, partitions=2, devices=40)
    set_destination(cluster, failed_after_s=3)
    cluster.hub.generate(rate=RATE, devices=40)
    wait_until(cluster.checkpoints, 60, "events are delivered")
    cluster.thingworx.fault(**fault)
    wait_until(lambda: destination(cluster).state == "failed", 60, "it is marked failed")
    assert destination(cluster).reason
    wait_until(lambda: any("counts as failed" in text for text in events(cluster)), 60,
               "the events say so")
    findings = cluster.query("SELECT severity FROM holdfast.diagnose()"
                             " WHERE subject = 'destination thingworx'", user="admin")
    assert [row.severity for row in findings] == ["error"]
    cluster.thingworx.clear_faults()
    wait_until(lambda: destination(cluster).state == "ok", 60, "it resumes by itself")
    settle(cluster, duplicates=0)
    end(cluster)


def test_a_base_url_that_no_node_can_use_costs_no_event(make_cluster):
    """What nobody can be sent to waits; once it is put right all of it is delivered."""
    cluster = make_cluster(started=False, nodes=0, partitions=1, devices=2)
    cluster.prepare()
    cluster.configure()
    set_destination(cluster, base_urls=["http://[1:2:3]/Thingworx"])
    cluster.hub.generate(devices=2, rate=0, events=50, preload=True)
    cluster.add_node("node-1")
    wait_until(lambda: cluster.nodes["node-1"].metric("holdfast_events_received_total") == 50, 30,
               "the events are read")
    wait_until(lambda: destination(cluster).state == "unreachable", 30, "it is said")
    assert "base URL" in destination(cluster).reason
    assert cluster.dead_letters() == []
    set_destination(cluster)
    settle(cluster, duplicates=0)
    end(cluster)


def test_memory_does_not_depend_on_the_length_of_an_outage(make_cluster):
    """Ten times as much as may be in flight comes meanwhile."""
    cluster = make_cluster(nodes=1, partitions=1, devices=40)
    node = cluster.nodes["node-1"]
    cluster.hub.generate(rate=RATE, devices=40)
    wait_until(cluster.checkpoints, 60, "events are delivered")
    cluster.thingworx.fault(kind="status", status=503)
    cluster.hub.generate(rate=40 * RATE, devices=40)
    wait_until(lambda: node.metric("holdfast_events_in_flight") >= IN_FLIGHT_MAX, 60,
               "the node holds what it may")
    before, emitted = node.memory_mib(), cluster.hub.state()["emitted"]
    wait_until(lambda: cluster.hub.state()["emitted"] >= emitted + 10 * IN_FLIGHT_MAX, 120,
               "ten times as much has come")
    assert node.metric("holdfast_events_in_flight") <= IN_FLIGHT_MAX
    after = node.memory_mib()
    print(f"{before:.1f} MiB at most before, {after:.1f} MiB after")
    assert after <= before + 8
    cluster.thingworx.clear_faults()
    settle(cluster, duplicates=0, timeout=180)
    end(cluster)


def test_an_administrator_restarts_it(make_cluster):
    """Nobody waits for a back-off after that."""
    cluster = make_cluster(nodes=1, devices=20)
    set_destination(cluster, failed_after_s=2)
    cluster.hub.generate(rate=RATE, devices=20)
    wait_until(cluster.checkpoints, 60, "events are delivered")
    cluster.thingworx.fault(kind="starting")
    wait_until(lambda: destination(cluster).state == "failed", 60, "it is marked failed")
    cluster.thingworx.clear_faults()
    cluster.query("SELECT holdfast.restart_destination('thingworx')", user="admin")
    wait_until(lambda: destination(cluster).state == "ok", 60, "it works")
    settle(cluster, duplicates=0)
    end(cluster)


def test_tls_with_its_own_authority_and_a_client_certificate(make_cluster):
    cluster = make_cluster(nodes=1, started=False)
    cluster.prepare()
    secrets = cluster.run.path / "secrets"
    authority, other = Authority(secrets, "authority"), Authority(secrets, "stranger")
    good = authority.issue("good", "IP:127.0.0.1")
    front = TlsFront(("127.0.0.1", cluster.thingworx.ports["port"]), *good,
                     client_authority=authority.certificate)
    certificate, key = authority.issue("node", "DNS:node")
    (secrets / "node-tls").write_text(certificate.read_text() + key.read_text())
    (secrets / "twx-ca").write_text(other.pem)
    cluster.configure()
    set_destination(cluster, base_urls=[f"https://127.0.0.1:{front.port}/Thingworx"],
                    ca_secret="twx-ca", certificate_secret="node-tls")
    cluster.add_node("node-1")
    cluster.hub.generate(rate=RATE)
    wait_until(lambda: destination(cluster).state == "unreachable", 60, "a stranger is refused")
    distrusts(cluster, "SSL certificate problem")
    assert cluster.thingworx.state()["accepted_values"] == 0
    (secrets / "twx-ca").write_text(authority.pem)
    wait_until(cluster.checkpoints, 60, "the replaced secret is found and events are delivered")
    bad = [("DNS:elsewhere", {}, "no alternative certificate subject name"),
           ("IP:127.0.0.1", {"days": -1}, "has expired"),
           ("IP:127.0.0.1", {"starts": 2}, "not yet valid")]
    for number, (alternative, when, words) in enumerate(bad):
        front.set_certificate(*authority.issue(f"bad{number}", alternative, **when),
                              client_authority=authority.certificate)
        cluster.query("SELECT holdfast.restart_destination('thingworx')", user="admin")
        set_destination(cluster, base_urls=[f"https://127.0.0.1:{front.port}/Thingworx"],
                        ca_secret="twx-ca", certificate_secret="node-tls",
                        request_timeout_ms=9000 + number)
        front.drop()
        wait_until(lambda: destination(cluster).state == "unreachable", 60,
                   f"a certificate for {alternative} {when} is refused")
        distrusts(cluster, words)
        front.set_certificate(*good, client_authority=authority.certificate)
        wait_until(lambda: destination(cluster).state == "ok", 60, "the right one is taken again")
    # Our own certificate is replaced, too: ThingWorx trusts another authority from now on.
    front.set_certificate(*good, client_authority=other.certificate)
    front.drop()
    wait_until(lambda: destination(cluster).state == "unreachable", 60, "ours is refused")
    certificate, key = other.issue("node-2", "DNS:node")
    (secrets / "node-tls").write_text(certificate.read_text() + key.read_text())
    cluster.nodes["node-1"].signal(signal.SIGHUP)
    wait_until(lambda: destination(cluster).state == "ok", 60, "the replaced one is taken")
    settle(cluster, duplicates=cluster.hub.state()["emitted"])
    end(cluster)


def distrusts(cluster, words):
    """The node says why, and what to do, and that nothing was sent."""
    def lines():
        log = cluster.nodes["node-1"].log.read_text(errors="replace")
        return [line for line in log.splitlines() if words in line]

    wait_until(lines, 60, f"the log says '{words}'")
    assert "is not trusted" in lines()[-1] and "nothing was sent" in lines()[-1], lines()[-1]


def test_by_proxy(make_cluster):
    cluster = make_cluster(nodes=1)
    secrets = cluster.run.path / "secrets"
    authority, proxy = Authority(secrets), Proxy()
    front = TlsFront(("127.0.0.1", cluster.thingworx.ports["port"]),
                     *authority.issue("good", "DNS:thingworx.example"))
    (secrets / "twx-ca").write_text(authority.pem)
    proxy.places = {f"thingworx.example:{front.port}": ("127.0.0.1", front.port)}
    # a name that only the proxy knows
    set_destination(cluster, base_urls=[f"https://thingworx.example:{front.port}/Thingworx"],
                    proxy=proxy.place, ca_secret="twx-ca")
    cluster.hub.generate(rate=RATE)
    wait_until(cluster.checkpoints, 60, "events are delivered")
    assert f"thingworx.example:{front.port}" in proxy.asked
    settle(cluster, duplicates=0)
    end(cluster)
