"""All of it together: PostgreSQL, hub, ThingWorx and N nodes, configured as an operator would."""

import json
import re

import psycopg2

from harness import audit, http, lab
from harness.node import Node
from harness.postgres import Postgres, rows
from harness.waiting import wait_until

HUB = "demo"
HELD = "device-held"
_UNESCAPED = {"t": "\t", "n": "\n", "\\": "\\"}


def unescape(text):
    """The body of an event as it stands in the hub's log."""
    return re.sub(r"\\(.)", lambda match: _UNESCAPED.get(match[1], match[0]), text)


class Cluster:
    """Started by start(); ended with this process (see harness.process)."""

    def __init__(self, run, *, nodes=3, partitions=8, devices=200, properties=8, postgres=None,
                 database="holdfast", node_arguments=(), stay=False, form="plain", policies=None,
                 audited=False):
        """`form` is how the nodes reach the hub (lab.Hub), `policies` more arguments of set_hub;
        `audited` notes every checkpoint that the database accepts (harness.audit)."""
        self.run = run
        self.node_arguments = list(node_arguments)
        self.devices = devices
        self.properties = properties
        self.database = database
        self.stay = stay
        self.audited = audited
        self.own_postgres = postgres is None
        self.postgres = postgres or Postgres(run, stay=stay)
        self.hub = lab.Hub(run, partitions, stay=stay, form=form)
        self.policies = policies or {}
        self.thingworx = lab.ThingWorx(run, stay=stay)
        self.names = [f"node-{number}" for number in range(1, nodes + 1)]
        self.nodes = {}
        self.watching = None

    # --- life ---

    def start(self, things=None):
        """Everything up to and with the nodes; the hub is still silent."""
        self.prepare(things)
        self.configure()
        for name in self.names:
            self.add_node(name, wait=False)
        for node in self.nodes.values():
            node.wait_ready()
        self.wait_balanced()
        return self

    def prepare(self, things=None):
        """The servers, the schema and the Things."""
        if self.own_postgres:
            self.postgres.start()
        self.hub.start()
        self.thingworx.start()
        (self.run.path / "secrets" / "demo-hub").write_text(self.hub.connection_string)
        if self.hub.ca:
            (self.run.path / "secrets" / "demo-hub-ca").write_text(self.hub.ca)
        self.run.note_children()
        self.postgres.create_database(self.database)
        self.postgres.migrate(self.database)
        if self.audited:
            audit.install(self)
        if things is None:
            self.thingworx.make_things(count=self.devices, properties=self.properties)
        else:
            self.thingworx.make_things(names=things)

    def configure(self):
        """What an administrator does, as one."""
        self.query("SELECT holdfast.set_destination(name => 'thingworx', base_urls => %s,"
                   " app_key_secret => 'thingworx-app-key')", ([self.thingworx.base_url],),
                   user="admin")
        self.query("SELECT holdfast.set_fleet(name => 'demo', destination => 'thingworx')",
                   user="admin")
        policies = {"ca_secret": "demo-hub-ca", **self.policies} if self.hub.ca else self.policies
        self.query("SELECT holdfast.set_hub(name => %s, fleet => 'demo',"
                   " connection_secret => 'demo-hub', consumer_group => 'holdfast'"
                   + "".join(f", {name} => %s" for name in policies) + ")",
                   (HUB, *policies.values()), user="admin")

    def add_node(self, name, wait=True, arguments=(), database_port=None, **place):
        """`database_port` is where a proxy listens; `place` as in Node."""
        node = Node(self.run, name, self.postgres.dsn("node", self.database, port=database_port),
                    [*self.node_arguments, *arguments], stay=self.stay, **place)
        self.nodes[name] = node
        return node.start(wait)

    def stop(self):
        """Ends what this cluster started; a PostgreSQL that others use stays."""
        self.look_away()
        for node in self.nodes.values():
            if node.child and node.alive:
                node.kill()
        for server in (self.hub, self.thingworx):
            if server.child and server.child.alive:
                server.child.kill()
        if self.own_postgres and self.postgres.child:
            self.postgres.stop()

    # --- what the database says ---

    def query(self, text, arguments=None, user="postgres"):
        return self.postgres.query(text, arguments, user, self.database)

    def look_away(self):
        """Closes the connection of watch(): the next one may find another primary."""
        if self.watching:
            self.watching.close()
        self.watching = None

    def watch(self, text, arguments=None):
        """query() on a connection that stays open, for what is asked often."""
        for last_try in (False, True):
            if self.watching is None or self.watching.closed:
                self.watching = self.postgres.connect("postgres", self.database)
            try:
                return rows(self.watching, text, arguments)
            except psycopg2.OperationalError:
                self.watching.close()
                if last_try:
                    raise
        return None

    def leader(self):
        """The name of the leading node, or None."""
        found = self.watch("SELECT node FROM holdfast.leader")
        return found[0].node if found else None

    def owners(self):
        """{partition: node} as granted now; a partition nobody owns is missing."""
        return {partition: node for partition, (node, _t, _s) in self.grants().items()}

    def grants(self):
        """{partition: (node, token, state)}"""
        return {row.partition: (row.owner, row.token, row.state) for row in self.watch(
            "SELECT partition, owner, token, state FROM holdfast.partitions"
            " WHERE owner IS NOT NULL")}

    def partitions_of(self, name):
        return sorted(partition for partition, node in self.owners().items() if node == name)

    def checkpoints(self):
        """{partition: sequence number of the last delivered event}"""
        return {row.partition: row.sequence for row in self.watch(
            "SELECT partition, sequence FROM holdfast.partitions WHERE sequence IS NOT NULL")}

    def term_after(self, since):
        """Microseconds since 1970 at which the first leader's term after `since` (in seconds)
        began, or None."""
        found = self.watch(
            "SELECT (extract(epoch FROM min(since)) * 1000000)::bigint AS us"
            "  FROM holdfast.leader_history WHERE since > to_timestamp(%s)", (since,))
        return found[0].us if found else None

    def dead_letters(self):
        return self.query("SELECT d.partition, d.sequence, d.device, d.property, d.reason,"
                          " d.detail, d.state FROM holdfast.dead_letters d ORDER BY 1, 2, 4")

    def balanced(self):
        """Every partition has an owner, nothing moves, and live nodes own as many, give or take
        one."""
        grants = self.grants()
        living = [node.name for node in self.nodes.values() if node.alive]
        if len(grants) != self.hub.partitions or not living:
            return False
        if any(state != "owned" for _node, _token, state in grants.values()):
            return False
        counts = [sum(1 for node, _t, _s in grants.values() if node == name) for name in living]
        return sum(counts) == len(grants) and max(counts) - min(counts) <= 1

    def wait_balanced(self, timeout=60):
        wait_until(self.balanced, timeout, lambda: f"partitions are balanced: {self.grants()}")

    def delivered_all(self):
        """Every event in the hub's log is at or below its partition's checkpoint."""
        checkpoints = self.checkpoints()
        return all(checkpoints.get(partition, -1) >= last
                   for partition, last in self.hub.ends().items())

    def wait_delivered(self, timeout=90):
        wait_until(self.delivered_all, timeout, self._undelivered, every=0.1)

    def _undelivered(self):
        checkpoints = self.checkpoints()
        behind = {partition: last - checkpoints.get(partition, -1)
                  for partition, last in self.hub.ends().items()
                  if checkpoints.get(partition, -1) < last}
        return f"everything is delivered; behind by (partition: events): {behind}"

    # --- faults ---

    def hold(self, partition):
        """ThingWorx takes an event of that partition and does not answer: whoever reads the partition
        cannot finish what it has begun. Which other requests hang at that moment would be luck. Nobody
        gives up waiting for the answer before the fault is cleared."""
        self.query("SELECT holdfast.set_destination(name => 'thingworx', base_urls => %s,"
                   " app_key_secret => 'thingworx-app-key', request_timeout_ms => 600000)",
                   ([self.thingworx.base_url],), user="admin")
        self.thingworx.make_things(names=[HELD])
        self.thingworx.fault(kind="hang", thing=HELD)
        self.hub.send(HELD, body={"seq": 1}, partition=int(partition))
        wait_until(lambda: self.thingworx.state()["hanging"] > 0, 30, "its request hangs")

    # --- the proof ---

    def check(self, **more):
        """The hub's log against the ledger; dead letters are excepted."""
        return lab.check(self.run, self.hub, self.thingworx,
                         dead_letters=self.dead_letter_events(), **more)

    def dead_letter_events(self):
        """(device, seq) of every event that is, in whole or in part, a dead letter; without a seq
        that can be read its place in the log stands for it."""
        wanted = {(row.partition, row.sequence) for row in self.dead_letters()}
        if not wanted:
            return []
        status, text = http.fetch(self.hub.control + "/log")
        assert status == 200, text[:200]
        found = []
        for line in text.splitlines():
            fields = line.split("\t")
            if (fields[0], int(fields[1])) in wanted:
                try:
                    body = json.loads(unescape(fields[6]))
                except ValueError:
                    body = None
                if isinstance(body, dict) and isinstance(body.get("seq"), int):
                    found.append((fields[4], body["seq"]))
                else:
                    found.append((fields[4], f"#{fields[0]}:{fields[1]}"))
        return found
