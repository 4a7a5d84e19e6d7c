"""`holdfast check`: a deployment that is in order, and each fault with its finding."""

import json
import os
import subprocess

import pytest

from harness import place
from harness.clock import Clock
from harness.pooler import Pooler
from harness.tls_front import Authority, TlsFront
from harness.waiting import wait_until
from proof import end, settle

OK, WARNINGS, ERRORS = 0, 1, 2
RATE = 300


class Deployment:
    """A database, a hub and a ThingWorx that are configured, and no node."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.secrets = cluster.run.path / "secrets"

    def check(self, *arguments, user="node", dsn=None, environment=None, sql=place.ROOT):
        """(exit status, findings); no secret is ever printed."""
        dsn = dsn or self.cluster.postgres.dsn(user, self.cluster.database)
        # With a long TTL no round trip on a busy machine is a finding.
        command = [str(place.program("holdfast")), "check", "--secrets", str(self.secrets),
                   "--timeout-s", "60", "--ttl-ms", "60000", *arguments]
        env = {**os.environ, "HOLDFAST_DATABASE": dsn, "HOLDFAST_SQL_DIR": str(sql),
               **(environment or {})}
        outputs = []
        for form in ([], ["--json"]):
            done = subprocess.run(command + form, capture_output=True, text=True, check=False,
                                  timeout=300, env=env)
            assert done.stderr == "", done.stderr
            outputs.append(done)
        for secret in self.secrets.iterdir():
            if secret.name in ("demo-hub", "hub-key", "thingworx-app-key", "pgpass"):
                for word in secret.read_text().split(":"):
                    assert len(word) < 12 or word.strip() not in "".join(
                        done.stdout for done in outputs), secret.name
        text, found = outputs[0].stdout, json.loads(outputs[1].stdout)
        assert outputs[0].returncode == outputs[1].returncode
        assert found["state"] == ("ok", "warning", "error")[outputs[0].returncode]
        assert len(text.splitlines()) == len(found["findings"]) + 1, "one line for each"
        return outputs[0].returncode, found["findings"]

    def bad(self, *arguments, **more):
        """What is not ok: [(level, subject, all of its words)]; each says what to do."""
        status, findings = self.check(*arguments, **more)
        bad = [(f["level"], f["subject"], " ".join((f["what"], f["detail"], f["hint"])))
               for f in findings if f["level"] != "ok"]
        assert status == max([("ok", "warning", "error").index(level) for level, _s, _t in bad],
                             default=OK)
        assert all(f["hint"] for f in findings if f["level"] != "ok"), findings
        return bad

    def admin(self, text, *arguments):
        self.cluster.query(text, arguments, user="admin")

    def secret(self, name, text):
        (self.secrets / name).write_text(text)


@pytest.fixture
def deployment(make_cluster, make_postgres):
    # The server of the other scenarios runs without fsync, which is a finding of its own.
    cluster = make_cluster(started=False, partitions=2, devices=10,
                           own_postgres=make_postgres({"fsync": "on"}))
    cluster.prepare()
    cluster.configure()
    return Deployment(cluster)


def test_each_fault_has_its_finding(deployment):
    d, cluster = deployment, deployment.cluster
    thing = ["--thing", "device-00000"]
    assert d.bad(*thing) == []
    assert d.bad() == [], "a deployment without Things is in order too"

    def expect(level, subject, words, *arguments, **more):
        found = d.bad(*(arguments or thing), **more)
        assert any(l == level and s.startswith(subject) and words in t for l, s, t in found), (
            (level, subject, words), found)

    # --- the database
    expect("error", "database", "Connection refused", dsn="host=127.0.0.1 port=1 dbname=x user=y")
    dsn = cluster.postgres.dsn("node", cluster.database)
    two = dsn.replace("host=127.0.0.1", "host=127.0.0.1,127.0.0.1").replace(
        f"port={cluster.postgres.port}", f"port=1,{cluster.postgres.port}")
    expect("warning", "database 127.0.0.1:1", "after a fail-over", dsn=two)
    expect("warning", "database", "without TLS",
           dsn=dsn.replace("host=127.0.0.1", "host=db.test hostaddr=127.0.0.1") + " sslmode=disable")
    expect("error", "login", "holdfast_node", user="reader")
    expect("warning", "login", "superuser", user="postgres")
    cluster.query("ALTER ROLE node SET synchronous_commit = off")
    expect("warning", "synchronous_commit", "off")
    cluster.query("ALTER ROLE node RESET synchronous_commit")
    empty = cluster.postgres.create_database("check_empty")
    expect("error", "schema", "holdfast migrate", dsn=cluster.postgres.dsn("node", empty))

    # --- the schema: this build brings more
    newer = cluster.run.path / "newer"
    newer.mkdir()
    for folder in ("migrations", "sql"):
        subprocess.run(["cp", "-r", str(place.ROOT / folder), str(newer)], check=True)
    (newer / "migrations" / "9999_more.sql").write_text("SELECT 1;\n")
    last = max((newer / "migrations").glob("0*.sql"))
    (newer / "migrations" / "9999_more.sql").rename(
        newer / "migrations" / f"{int(last.name[:4]) + 1:04}_more.sql")
    expect("error", "schema", "holdfast migrate", sql=newer)

    # --- hub
    string, key = cluster.hub.connection_string, cluster.hub.key
    (d.secrets / "demo-hub").unlink()
    expect("error", "hub demo", 'the secret "demo-hub" cannot be read')
    d.secret("demo-hub", string.replace(key, "d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmc="))
    expect("error", "hub demo", "refuses our token")
    d.secret("demo-hub", string.replace(f":{cluster.hub.ports['amqp_port']}", ":1"))
    expect("error", "hub demo", "refused")
    d.secret("demo-hub", string)
    # At the lab every group exists whose name can be one.
    cluster.query("UPDATE holdfast.hub SET consumer_group = 'not/there'")
    expect("error", "hub demo, consumer group", "and the consumer group")
    d.admin("SELECT holdfast.set_hub(name => 'demo', fleet => 'demo', connection_secret => 'demo-hub',"
            " consumer_group => 'holdfast', enabled => false)")
    expect("warning", "hub demo", "disabled")
    d.admin("SELECT holdfast.set_hub(name => 'demo', fleet => 'demo', connection_secret => 'demo-hub',"
            " consumer_group => 'holdfast', enabled => true)")

    # --- ThingWorx
    key = cluster.thingworx.key_file.read_text()
    d.secret("thingworx-app-key", "00000000000000000000")
    expect("error", "destination thingworx", "401")
    d.secret("thingworx-app-key", "")
    expect("error", "destination thingworx", "the file is empty")
    d.secret("thingworx-app-key", key)
    expect("warning", "destination thingworx", "does not exist", "--thing", "nobody")
    cluster.thingworx.fault(kind="status", status=403)
    expect("error", "destination thingworx", "may not do this")
    cluster.thingworx.clear_faults()
    cluster.thingworx.fault(kind="starting")
    expect("error", "destination thingworx", "does not say that it is ready")
    cluster.thingworx.clear_faults()
    clock = Clock(cluster.run.path / "clock")
    clock.jump(7200)
    expect("warning", "destination thingworx", "behind ours",
           environment=clock.environment(place.program("holdfast")))

    # --- completeness
    d.admin("SELECT holdfast.set_destination(name => 'spare', base_urls => ARRAY['http://127.0.0.1:1/Thingworx'],"
            " app_key_secret => 'thingworx-app-key')")
    expect("warning", "destination spare", "no fleet")
    expect("error", "destination spare at", "cannot be reached")
    d.admin("SELECT holdfast.set_destination(name => 'spare', base_urls => ARRAY['http://[2001:db8::1]:1/Thingworx'],"
            " app_key_secret => 'thingworx-app-key')")
    expect("warning", "destination spare at", "without TLS")
    d.admin("SELECT holdfast.set_fleet(name => 'spare', destination => 'spare')")
    expect("warning", "fleet spare", "no hub feeds it")
    d.admin("SELECT holdfast.drop_fleet('spare')")
    d.admin("SELECT holdfast.drop_destination('spare')")
    assert d.bad(*thing) == [], "all is well again"


def test_authorities_of_a_hub_are_where_a_node_finds_them(make_cluster, make_postgres, tmp_path):
    """In the secrets folder, or among the credentials that systemd has loaded."""
    cluster = make_cluster(started=False, partitions=2, form="tls",
                           own_postgres=make_postgres({"fsync": "on"}))
    cluster.prepare()
    cluster.configure()
    d = Deployment(cluster)
    assert d.bad() == []
    (d.secrets / "demo-hub-ca").rename(tmp_path / "demo-hub-ca")
    (_level, subject, text), = d.bad()
    assert subject == "hub demo" and 'the secret "demo-hub-ca" cannot be read' in text
    assert d.bad(environment={"CREDENTIALS_DIRECTORY": str(tmp_path)}) == []


def test_certificates_of_thingworx(deployment):
    """Unknown authority, another name, one that ends soon, and one of ours that ends soon."""
    d, cluster = deployment, deployment.cluster
    folder = cluster.run.path / "tls"
    folder.mkdir()
    authority = Authority(folder)
    long, soon = (authority.issue(name, "DNS:localhost", days=days)
                  for name, days in (("long", 400), ("soon", 2)))
    front = TlsFront(("127.0.0.1", cluster.thingworx.ports["port"]), *long)
    d.secret("twx-ca", authority.pem)
    d.secret("mine", soon[0].read_text() + soon[1].read_text())

    def words(host="localhost", **more):
        settings = {"ca_secret": "twx-ca", **more}
        d.admin("SELECT holdfast.set_destination(name => 'thingworx', base_urls => %s,"
                " app_key_secret => 'thingworx-app-key'"
                + "".join(f", {name} => '{value}'" for name, value in settings.items() if value) + ")",
                [f"https://{host}:{front.port}/Thingworx"])
        return [(level, text) for level, _subject, text in d.bad()]

    assert words() == []
    assert [level for level, text in words(host="127.0.0.1")] == ["error"]
    (level, text), = words(ca_secret=None)
    assert level == "error" and "certificate" in text
    (level, text), = words(certificate_secret="mine")
    assert level == "warning" and "our own certificate expires soon" in text
    front.set_certificate(*soon)
    (level, text), = words()
    assert level == "warning" and "its certificate ends in 1 days" in text
    front.close()


def test_poolers(deployment, run):
    d, cluster = deployment, deployment.cluster
    made = [Pooler(run.part(f"check_pooler_{mode}"), cluster.postgres, mode,
                   ignore_startup_parameters="options", default_pool_size=6).start()
            for mode in ("transaction", "session")]
    transaction, session = (cluster.postgres.dsn("node", cluster.database, port=pooler.port)
                            for pooler in made)
    try:
        (level, subject, text), = d.bad(dsn=transaction)
        assert (level, subject) == ("error", "connections") and "pool_mode = session" in text
        bad = d.bad(dsn=session)
        assert ("error", "lease") in [(level, subject) for level, subject, _t in bad]
        assert any("ALTER ROLE" in text for _l, _s, text in bad)
    finally:
        for pooler in made:
            pooler.stop()


def test_a_running_cluster_is_not_disturbed(make_cluster):
    """Under load, again and again: no reader is thrown out, nothing is delivered twice."""
    cluster = make_cluster(nodes=2, partitions=4, devices=20, node_arguments=["--ttl-ms", "15000"])
    cluster.hub.generate(rate=RATE, devices=20)
    wait_until(lambda: len(cluster.checkpoints()) == 4, 60, "events are delivered")
    before = cluster.grants()
    d = Deployment(cluster)
    for _round in range(3):
        bad = d.bad()
        # This server runs without fsync.
        assert [subject for _level, subject, _text in bad] == ["fsync"]
    status, findings = d.check()
    assert status == ERRORS
    assert any("is being read" in f["what"] for f in findings)
    assert any("Thing device-" in f["what"] and "may be written" in f["what"] for f in findings)
    assert cluster.grants() == before
    assert sum(node.metric("holdfast_readers_stolen_total") for node in cluster.nodes.values()) == 0
    settle(cluster, duplicates=0)
    end(cluster)
