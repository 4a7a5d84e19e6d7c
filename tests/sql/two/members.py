"""Nodes as the protocol sees them: three connections and the calls that a node makes."""

import time

import psycopg2

ROLE = "holdfast_two_node"
# The longest that join() takes: nothing here may depend on how busy the machine is. Leases are not pinged.
TTL_MS = 600000
TABLES = (
    "move_wish, pin, pause, decline, node_report, partition_head, checkpoint_history, checkpoint, ownership,"
    " partition, hub_log, term, session, node, incarnation_history, incarnation_live, dead_letter,"
    " event_log, hub, fleet, destination")


def wait_for(condition, seconds=60.0, step=0.005):
    """The first true value of condition(), or the last one when the time is up."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(step)


class Connection:
    """An autocommit connection; each call is a transaction of its own."""

    def __init__(self, dsn, **options):
        self.raw = psycopg2.connect(dsn, **options)
        self.raw.autocommit = True

    def rows(self, text, *values):
        with self.raw.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchall() if cursor.description else []

    def row(self, text, *values):
        found = self.rows(text, *values)
        return found[0] if found else None

    def one(self, text, *values):
        found = self.row(text, *values)
        return found[0] if found else None

    @property
    def pid(self):
        return self.raw.info.backend_pid

    def close(self):
        if not self.raw.closed:
            self.raw.close()


class Member:
    """One node: its lease, watch and work connections."""

    def __init__(self, cluster, name, ttl_ms=TTL_MS):
        self.cluster = cluster
        self.name = name
        self.ttl_ms = ttl_ms
        self.watch = Connection(cluster.node_dsn)
        self.work = Connection(cluster.node_dsn)
        # The last one: its time to live counts from here on.
        self.lease = Connection(cluster.node_dsn, options=f"-c idle_session_timeout={ttl_ms}")
        self.id = self.key = None

    def join(self, previous_key=None, highest_token=None, capacity=1):
        row = self.lease.row(
            "SELECT * FROM holdfast.join(%s, 1, 'test', %s, %s, %s, %s, %s, %s)", self.name,
            previous_key, highest_token, capacity, self.ttl_ms, self.watch.pid, self.work.pid)
        self.id, self.key = row[0], row[1]
        self.timeline, self.incarnation = row[3], row[4]
        return self

    def ping(self):
        self.lease.rows("SELECT 1")

    def call(self, function, *arguments):
        marks = ", ".join(["%s"] * (len(arguments) + 1))
        return self.work.rows(f"SELECT * FROM holdfast.{function}({marks})", self.key, *arguments)

    def value(self, function, *arguments):
        return self.call(function, *arguments)[0][0]

    def poll(self):
        return self.call("poll")[0]

    @property
    def leader_token(self):
        return self.poll()[5]

    def assignment(self):
        """{partition_id: (token, state)}"""
        return {row[0]: (row[3], row[4]) for row in self.call("assignment")}

    def tend(self):
        return self.value("tend", self.leader_token)

    def watch_once(self, timeout_ms=700):
        return self.watch.one("SELECT holdfast.watch(%s, %s)", self.key, timeout_ms)

    def save(self, partition_id, token, sequence):
        return self.call("save_checkpoints", [partition_id], [token], [str(sequence * 10)],
                         [sequence], [1000 + sequence])[0][1]

    @property
    def pids(self):
        """Of the connections that are open."""
        return [line.pid for line in (self.lease, self.watch, self.work) if not line.raw.closed]

    def kill(self):
        """The process dies: all its sockets close, and the server notices."""
        pids = self.pids
        self.close()
        self.cluster.wait_gone(*pids)

    def close(self):
        for connection in (self.lease, self.watch, self.work):
            connection.close()


class Cluster:
    """The database and the members that a test makes."""

    def __init__(self, dsn):
        self.dsn = dsn
        self.admin = Connection(dsn)
        self.members = []
        self.node_dsn = psycopg2.extensions.make_dsn(dsn, user=ROLE)

    def reset(self):
        if not self.admin.one("SELECT 1 FROM pg_roles WHERE rolname = %s", ROLE):
            self.admin.rows(f"CREATE ROLE {ROLE} LOGIN IN ROLE holdfast_node")
        self.admin.rows("SET search_path = holdfast, public")
        self.admin.rows(f"TRUNCATE {TABLES} CASCADE")
        self.admin.rows("UPDATE lease SET session_id = NULL, token = NULL, free_since = '-infinity'")
        self.admin.rows("SELECT setval('token', 1, false)")
        self.admin.rows("UPDATE cluster SET rebalance_at = NULL, reserved_until = '-infinity',"
                        " planned_config = 0, planned_wishes = 0")
        self.admin.rows("UPDATE setting SET value = v.value FROM (VALUES ('rebalance_delay_ms', '0'),"
                        " ('decline_pass_over_ms', '60000'), ('move_deadline_ms', '10000'),"
                        " ('ttl_ms', '1000')) v (name, value) WHERE v.name = setting.name")
        self.admin.rows("SELECT set_destination('d', ARRAY['http://localhost/Thingworx'], 'key')")
        self.admin.rows("SELECT set_fleet('f', 'd')")
        self.add_hub("demo")

    def add_hub(self, name, enabled=True):
        self.admin.rows("SELECT set_hub(%s, 'f', %s, 'holdfast', 'earliest', %s)", name,
                        f"secret-{name}", enabled)

    def node(self, name, ttl_ms=TTL_MS):
        member = Member(self, name, ttl_ms)
        self.members.append(member)
        return member

    def join(self, name, ttl_ms=TTL_MS, **arguments):
        return self.node(name, ttl_ms).join(**arguments)

    def report(self, leader, hub="demo", partitions=4, endpoint="e", created_ms=1):
        return leader.value("report_hub", leader.leader_token, hub, endpoint, created_ms,
                            [str(i) for i in range(partitions)])

    def owners(self):
        """{partition_id: node or None}"""
        return dict(self.admin.rows(
            "SELECT p.partition_id, s.node FROM partition p"
            " LEFT JOIN session s ON s.session_id = p.owner_session_id"))

    def counts(self):
        """{node: number of partitions}"""
        return dict(self.admin.rows(
            "SELECT s.node, count(*)::int FROM partition p"
            " JOIN session s ON s.session_id = p.owner_session_id GROUP BY 1"))

    def errors(self):
        return self.admin.rows("SELECT * FROM diagnose() WHERE severity = 'error'")

    def wait_gone(self, *pids):
        """Until these backends have ended: a socket that is closed is noticed a little later."""
        assert wait_for(lambda: self.admin.one(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%s)", list(pids)) == 0)

    def wait_blocked(self, *pids):
        """Until each of these backends waits for a lock."""
        assert wait_for(lambda: self.admin.one(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%s) AND wait_event_type = 'Lock'",
            list(pids)) == len(pids))

    def new_incarnation(self):
        """What a crash of the database leaves: no session lives, the unlogged row is gone."""
        for member in self.members:
            member.close()
        assert wait_for(lambda: self.admin.one(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = %s", ROLE) == 0)
        self.admin.rows("TRUNCATE incarnation_live")

    def close(self):
        for member in self.members:
            member.close()
        self.admin.close()
