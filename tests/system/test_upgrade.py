"""Builds of two versions side by side: rolling up, back again, and a migration that breaks.

The program is the same; what differs is the SQL that each build brings (HOLDFAST_SQL_DIR). The real
thing, with an older commit's program, is ./dev upgrade-test.
"""

import json
import os
import re
import shutil
import subprocess

from harness import place
from harness.waiting import wait_until
from proof import end, settle

RATE = 300
LAST = len(list((place.ROOT / "migrations").glob("*.sql")))


def make_tree(run, name, *migrations, sql=()):
    """A build that brings more than this one: texts of migrations, {path: text} below sql/."""
    tree = run.path / name
    for folder in ("migrations", "sql"):
        shutil.copytree(place.ROOT / folder, tree / folder)
    for number, text in enumerate(migrations, LAST + 1):
        (tree / "migrations" / f"{number:04}_step.sql").write_text(text)
    for path, text in sql:
        (tree / "sql" / path).write_text(text)
    return tree


def migrate(cluster, tree, *options):
    done = subprocess.run(
        [place.program("holdfast"), "migrate", *options], capture_output=True, text=True,
        check=False, timeout=300,
        env={**os.environ, "HOLDFAST_DATABASE": cluster.postgres.dsn("holdfast_migrate", cluster.database),
             "HOLDFAST_SQL_DIR": str(tree)})
    return done.returncode, done.stderr


def replace(cluster, name, tree):
    """A clean stop, and the other build in its place."""
    assert cluster.nodes[name].stop() == 0
    cluster.add_node(name, environment={"HOLDFAST_SQL_DIR": str(tree)})
    cluster.wait_balanced(120)


def said(node, words):
    return words in node.log.read_text()


def test_rolling_up_and_back(make_cluster):
    """Under load. Every hand-over is clean, so nothing comes twice."""
    cluster = make_cluster(nodes=2, partitions=4, devices=100, node_arguments=["--ttl-ms", "15000"])
    more = "CREATE OR REPLACE FUNCTION holdfast.more() RETURNS int LANGUAGE sql AS 'SELECT 1';\n"
    changed = make_tree(cluster.run, "changed", sql=[("20_coordination/more.sql", more)])
    newer = make_tree(cluster.run, "newer", "CREATE TABLE holdfast.more (id int);\n",
                      sql=[("20_coordination/more.sql", more)])
    cluster.hub.generate(rate=RATE, devices=100)
    wait_until(lambda: len(cluster.checkpoints()) == 4, 60, "events are delivered")

    # A newer node waits until the database has been migrated.
    early = cluster.add_node("node-3", wait=False, environment={"HOLDFAST_SQL_DIR": str(changed)})
    wait_until(lambda: said(early, "Run holdfast migrate with this build"), 60, "it says why it waits")
    early.kill()
    del cluster.nodes["node-3"]

    # The older build may come back, and is told that it is late: only functions have changed ...
    assert migrate(cluster, changed)[0] == 0
    replace(cluster, "node-1", changed)
    replace(cluster, "node-2", place.ROOT)
    wait_until(lambda: said(cluster.nodes["node-2"], "newer than this build"), 60, "it says so")
    # ... and when tables have.
    assert migrate(cluster, newer)[0] == 0
    replace(cluster, "node-2", newer)
    replace(cluster, "node-1", place.ROOT)
    wait_until(lambda: said(cluster.nodes["node-1"], "newer than this build"), 60, "it says so")
    settle(cluster, duplicates=0)
    end(cluster)


def test_a_migration_that_breaks_live_nodes(make_cluster):
    """It is refused, and names the nodes, until they are gone or it is asked for by name."""
    cluster = make_cluster(nodes=1, partitions=2, devices=10)
    steps = ["CREATE TABLE holdfast.more (id int);\n",
             f"-- breaks: nodes before {LAST + 1:04}\nDROP TABLE holdfast.more;\n",
             f"-- breaks: nodes before {LAST + 3:04}\nCREATE TABLE holdfast.third (id int);\n",
             f"-- breaks: nodes before {LAST + 4:04}\nCREATE TABLE holdfast.fourth (id int);\n"]
    first, third, fourth = (make_tree(cluster.run, f"tree-{count}", *steps[:count])
                            for count in (1, 3, 4))
    reported = "SELECT stats ->> 'schema' AS schema FROM holdfast.nodes WHERE state = 'live'"

    def wait_reported(last):
        wait_until(lambda: [row.schema for row in cluster.query(reported)] == [str(last)], 30,
                   "the node says where its build ends")

    wait_reported(LAST)
    status, text = migrate(cluster, third)
    assert status == 3
    assert f"{LAST + 2:04}_step.sql would break nodes that are live" in text
    assert re.search(rf"node-1 \([0-9.]+, ends at {LAST}\)", text)
    assert "--allow-breaking step" in text
    applied = cluster.query("SELECT max(version) AS last FROM holdfast.schema_migration")[0].last
    assert applied == LAST + 1, "what stands before it was applied"

    # Upgraded, it is in the way of the next one only; that is applied as it was told, by its name.
    replace(cluster, "node-1", first)
    wait_reported(LAST + 1)
    status, text = migrate(cluster, third, "--allow-breaking", f"{LAST + 2:04}_step")
    assert status == 3 and f"{LAST + 3:04}_step.sql would break" in text
    status, text = migrate(cluster, third, "--allow-breaking", f"{LAST + 3:04}_step")
    assert status == 0, text
    assert "breaks live nodes" in text and "node-1" in text

    # What a dead node has left behind is in nobody's way, though nobody has buried it yet.
    cluster.nodes["node-1"].kill()
    wait_until(lambda: not cluster.query("SELECT FROM pg_stat_activity WHERE usename = 'node'"
                                         " AND datname = current_database()"), 60,
               "the server has noticed that its connections are gone")
    assert cluster.query("SELECT node FROM holdfast.session WHERE ended_at IS NULL")
    status, text = migrate(cluster, fourth)
    assert status == 0, text

    # A build that was broken does not come back, and says why; `holdfast check` does too.
    late = cluster.add_node("late", wait=False, environment={"HOLDFAST_SQL_DIR": str(place.ROOT)})
    wait_until(lambda: said(late, "left this build behind"), 60, "it says why")
    assert f"Migration {LAST + 2:04}_step breaks nodes" in late.log.read_text()
    assert not said(late, "joined the cluster")
    late.kill()
    done = subprocess.run([place.program("holdfast"), "check", "--json"], capture_output=True, text=True,
                          check=False, timeout=180,
                          env={**os.environ, "HOLDFAST_SQL_DIR": str(place.ROOT),
                               "HOLDFAST_DATABASE": cluster.postgres.dsn("node", cluster.database)})
    assert any(f["subject"] == "schema" and f["level"] == "error" and "breaks nodes" in f["detail"]
               for f in json.loads(done.stdout)["findings"])
