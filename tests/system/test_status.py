"""`holdfast status`: what it says of a cluster that is well, and of one that is not."""

import json
import os
import pty
import re
import signal
import subprocess

import pytest

from harness import place
from harness.process import Child
from harness.replication import Pair
from harness.waiting import wait_until

HEALTHY, DEGRADED, CANNOT_TELL = 0, 1, 3
RATE = 200
COLUMNS = 100


def status(dsn, *arguments):
    """(exit status, output)"""
    done = subprocess.run([str(place.program("holdfast")), "status", *arguments],
                          capture_output=True, text=True, check=False, timeout=180,
                          env={**os.environ, "HOLDFAST_DATABASE": dsn})
    assert done.stderr == "", done.stderr
    return done.returncode, done.stdout


def document(dsn):
    code, text = status(dsn, "--json")
    assert text.count("\n") == 1
    return code, json.loads(text)


def test_what_an_operator_sees(make_cluster, make_postgres):
    # The server of the other scenarios runs without fsync, which is no good health.
    cluster = make_cluster(nodes=2, partitions=4, devices=20, node_arguments=["--ttl-ms", "15000"],
                           own_postgres=make_postgres({"fsync": "on"}))
    dsn = cluster.postgres.dsn("reader", cluster.database)
    cluster.hub.generate(rate=RATE, devices=20)
    wait_until(lambda: len(cluster.checkpoints()) == 4, 60, "events are delivered")

    code, found = wait_until(lambda: next((seen for seen in [document(dsn)] if seen[0] == HEALTHY), None),
                             120, lambda: f"it is healthy: {status(dsn)}")
    assert (found["state"], found["reasons"]) == ("healthy", [])
    assert found["leader"]["node"] in ("node-1", "node-2")
    assert [(node["node"], node["state"], node["partitions"], node["trust"])
            for node in found["nodes"]] == [("node-1", "live", 2, "ok"), ("node-2", "live", 2, "ok")]
    assert [row["state"] for row in found["partitions"]] == ["owned"] * 4
    assert [(row["name"], row["partitions_owned"]) for row in found["hubs"]] == [("demo", 4)]
    assert found["database"]["schema_version"] == len(list((place.ROOT / "migrations").glob("*.sql")))
    text = status(dsn)[1]
    assert "\033" not in text
    assert max(map(len, text.splitlines())) <= COLUMNS

    # What an administrator wants stands there; it is no fault.
    cluster.query("SELECT holdfast.pause_partition('demo', '3', %s)",
                  ("because \033[31m of " + "long words " * 20,), user="admin")
    code, found = document(dsn)
    assert [row["kind"] for row in found["requests"]] == ["pause"]
    text = status(dsn)[1]
    assert "\033" not in text and "pause" in text
    assert max(map(len, text.splitlines())) <= COLUMNS

    # A finding alone is reason enough.
    cluster.query("ALTER SYSTEM SET synchronous_commit = 'off'")
    cluster.query("SELECT pg_reload_conf()")


    def found_wanting():
        code, found = document(dsn)
        return (code, found["reasons"]) == (DEGRADED, ["1 finding of diagnose()"])

    wait_until(found_wanting, 120, lambda: f"it says so: {status(dsn)}")
    cluster.query("ALTER SYSTEM RESET synchronous_commit")
    cluster.query("SELECT pg_reload_conf()")

    # A node dies, and ThingWorx wants another key.
    cluster.nodes["node-2"].kill()
    cluster.thingworx.fault(kind="status", status=401)


    def dead_and_paused():
        code, found = document(dsn)
        states = {node["node"]: node["state"] for node in found["nodes"]}
        return (states["node-2"], found["destinations"][0]["state"]) == ("died", "paused") \
            and (code, found)

    code, found = wait_until(dead_and_paused, 120, lambda: f"it says so: {status(dsn)}")
    assert (code, found["state"]) == (DEGRADED, "degraded")
    assert "destination thingworx is paused" in found["reasons"]
    assert "destination thingworx" in [row["subject"] for row in found["findings"]]
    assert found["destinations"][0]["reason"]
    code, text = status(dsn)
    assert code == DEGRADED and "401" in text
    assert max(map(len, text.splitlines())) <= COLUMNS

    cluster.nodes["node-1"].kill()
    wait_until(lambda: "nobody leads" in document(dsn)[1]["reasons"]
               or document(dsn)[1]["findings"], 120, "there is no node")
    assert status(dsn)[0] == DEGRADED


def test_when_it_cannot_tell(postgres):
    """Nobody there, no schema, no right: three ways to know nothing, each with what to do."""
    postgres.create_database("status_empty")
    for dsn, hint in (("host=127.0.0.1 port=1 password=geheim", "whether PostgreSQL runs"),
                      (postgres.dsn("reader", "status_empty"), "holdfast migrate")):
        code, text = status(dsn)
        assert code == CANNOT_TELL and "cannot tell" in text
        assert hint in re.sub(r"\s+", " ", text)
        code, found = document(dsn)
        assert (code, found["state"]) == (CANNOT_TELL, "unknown")
        assert hint in found["hint"]
        assert "geheim" not in text
    postgres.migrate("status_empty")
    code, found = document(postgres.dsn("node", "status_empty"))
    assert code == CANNOT_TELL and "holdfast_reader" in found["hint"]


@pytest.fixture
def pair(run):
    made = Pair(run, "status-watch", False)
    yield made
    made.end()


def test_watching_survives_a_fail_over(run, pair):
    pair.create_database()
    pair.migrate()
    pair.wait_caught_up()
    out = run.path / "status-watch.out"
    child = Child("status", [place.program("holdfast"), "status", "--watch", "--json"],
                  run.log("status-watch"), stdout=out,
                  env={**os.environ, "HOLDFAST_DATABASE": pair.dsn("reader")})

    def seen(state, port=None, after=0):
        """How many whole lines there were when such a one came."""
        lines = out.read_text().split("\n")[:-1]
        for number, line in enumerate(lines[after:], after + 1):
            found = json.loads(line)
            if found["state"] == state and (port is None or found["database"]["port"] == port):
                return number
        return 0

    # Nobody is there to lead, so it is not healthy.
    first = wait_until(lambda: seen("degraded", pair.old.port), 60, "the primary answers")
    pair.old.kill()
    pair.promote()
    wait_until(lambda: seen("degraded", pair.new.port, first), 120, "the new primary answers")
    child.signal(signal.SIGINT)
    assert child.wait(60) == DEGRADED


def on_terminal(dsn, until, **environment):
    """What `--watch` writes to a terminal until `until` has come so often."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update({"HOLDFAST_DATABASE": dsn, "TERM": "xterm", **environment})
        os.execv(place.program("holdfast"), ["holdfast", "status", "--watch"])
    text = b""
    while text.count(until) < 2:
        text += os.read(terminal, 65536)
    os.kill(pid, signal.SIGTERM)
    _pid, code = os.waitpid(pid, 0)
    os.close(terminal)
    # What was read last may end within a character.
    return os.waitstatus_to_exitcode(code), text.decode(errors="ignore")


def test_a_terminal_is_drawn_over(postgres):
    postgres.create_database("status_screen")
    postgres.migrate("status_screen")
    dsn = postgres.dsn("reader", "status_screen")
    code, text = on_terminal(dsn, b"\033[J")
    assert code == DEGRADED
    assert text.count("\033[2J") == 1, "cleared once, then drawn over: no flicker"
    assert "\033[1;31mdegraded" in text
    code, text = on_terminal(dsn, b"\033[J", NO_COLOR="1")
    assert re.search(r"\033\[[0-9;]*m", text) is None
