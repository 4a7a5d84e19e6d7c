"""Whatever hits a call of a node in the middle, nothing is stranded: no lock, no half state."""

import pathlib
import re
import threading

import psycopg2
import pytest

from members import Connection, wait_for

PATIENT_MS = 600000
SOON_MS = 40
GRANTS = pathlib.Path(__file__).resolve().parents[3] / "sql/90_grants.sql"
MODES = ("statement_timeout", "lock_timeout", "cancel")

# They read, of nobody in particular.
WITHOUT_A_SESSION = {"schema_version", "schema_serves", "deployment", "status_page"}

# What a node calls: who, on which line, with which arguments behind the key.
CALLS = {
    "leave": ("b", "work", "", lambda s: ()),
    "watch": ("b", "watch", ", 20", lambda s: ()),
    "sweep": ("b", "watch", "", lambda s: ()),
    "assignment": ("b", "work", "", lambda s: ()),
    "poll": ("b", "work", "", lambda s: ()),
    "tend": ("a", "work", ", %s", lambda s: (s.leader_token,)),
    "report_hub": ("a", "work", ", %s, 'demo', 'e', 1, %s",
                   lambda s: (s.leader_token, [str(i) for i in range(8)])),
    "release": ("a", "work", ", %s, %s", lambda s: s.moving),
    "keep": ("a", "work", ", %s, %s, 'r'", lambda s: s.moving),
    "decline": ("b", "work", ", %s, %s, 'r'", lambda s: s.owned),
    "abandon_offset": ("b", "work", ", %s, %s, 'r'", lambda s: s.owned),
    "save_checkpoints": ("b", "work", ", %s, %s, %s, %s, %s",
                         lambda s: ([s.owned[0]], [s.owned[1]], ["99"], [99], [99])),
    "report": ("b", "work", ", '{}', %s, %s, %s", lambda s: ([s.owned[0]], [99], [99])),
    "configuration": ("b", "work", "", lambda s: ()),
    "resolve": ("b", "work", ", 'f', %s, %s", lambda s: (["new"], [""])),
    "add_dead_letters": ("b", "work", ", %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s",
                         lambda s: ([s.owned[0]], [s.owned[1]], ["d"], [""], ["5"], [5], [1000],
                                    ["refused"], [""], [""], [psycopg2.Binary(b"{}")], [1])),
    "keep_dead_letters": ("b", "work", ", %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb[]",
                          lambda s: ([s.owned[0]], [s.owned[1]], ["d"], [""], ["5"], [5], [1000],
                                     ["refused"], [""], [""], [psycopg2.Binary(b"{}")], [1],
                                     ["{}"])),
    "file_dead_letters": ("b", "work", ", %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb[]",
                          lambda s: ([s.owned[0]], [s.owned[1]], ["d"], [""], ["5"], [5], [1000],
                                     ["refused"], [""], [""], [psycopg2.Binary(b"{}")], [1],
                                     ["{}"])),
    "claim_dead_letters": ("b", "work", ", 10", lambda s: ()),
    "claim_replays": ("b", "work", ", 10", lambda s: ()),
    "settle_replays": ("b", "work", ", %s, %s, %s", lambda s: ([1], ["delivered"], [""])),
    "note_presence": ("b", "work", ", %s, %s, %s, %s, %s, %s",
                      lambda s: ([s.owned[0]], [s.owned[1]], ["t"], ["d"], [""], [True])),
    "presence_of": ("b", "work", ", %s", lambda s: (s.owned[0],)),
    "report_event": ("b", "work", ", 'k', 's', 'm', 'd', 'h'", lambda s: ()),
}


def node_functions():
    text = re.search(r"node_functions constant text\[\] := ARRAY\[(.*?)\];", GRANTS.read_text(),
                     re.S).group(1)
    return sorted(set(re.findall(r"'(\w+)'", text)) - WITHOUT_A_SESSION)


class Scene:
    """Two live nodes, one that has just died, a move under way, a dead letter to be replayed."""

    def __init__(self, cluster):
        cluster.reset()
        self.cluster = cluster
        self.a, self.b, dead = (cluster.join(name, ttl_ms=PATIENT_MS) for name in "abc")
        cluster.report(self.a, partitions=6)
        self.leader_token = self.a.leader_token
        cluster.admin.rows("SELECT set_hub('demo', 'f', 'secret-demo', 'holdfast', 'earliest', true,"
                           " on_invalid_offset => 'earliest')")
        partition, (token, _) = next(iter(self.a.assignment().items()))
        name = cluster.admin.one("SELECT partition FROM partition WHERE partition_id = %s", partition)
        cluster.admin.rows("SELECT move_partition('demo', %s, 'b')", name)
        self.a.tend()
        assert self.a.assignment()[partition][1] == "releasing"
        self.moving = (partition, token)
        partition, (token, _) = next(iter(self.b.assignment().items()))
        self.owned = (partition, token)
        assert self.b.save(partition, token, 1) == "saved"
        self.b.value("add_dead_letters", [partition], [token], ["d"], [""], ["0"], [0], [1000],
                     ["refused"], [""], [""], [psycopg2.Binary(b"{}")], [1])
        cluster.admin.rows("SELECT replay_dead_letters()")
        dead.kill()
        assert wait_for(lambda: cluster.admin.one(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = %s", dead.lease.pid) == 0)

    def state(self):
        """All that must not have changed by halves."""
        admin = self.cluster.admin
        return [admin.one(f"SELECT md5(string_agg(x::text, ',' ORDER BY x::text)) FROM {table} x")
                for table in ("session", "partition", "checkpoint", "lease", "term", "ownership",
                              "dead_letter", "decline", "event_log", "node", "binding",
                              "checkpoint_history", "partition_head")]

    def advisory_locks(self, pid):
        return self.cluster.admin.one(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = %s", pid)


class Call:
    """One function of the protocol, as the node of the scene would call it."""

    def __init__(self, scene, name):
        who, line, marks, arguments = CALLS[name]
        self.name = name
        self.connection = getattr(getattr(scene, who), line)
        self.text = f"SELECT * FROM holdfast.{name}(%s{marks})"
        self.values = (getattr(scene, who).key, *arguments(scene))

    def run(self):
        return self.connection.rows(self.text, *self.values)

    def after(self, scene):
        assert scene.advisory_locks(self.connection.pid) == 0, f"{self.name} left a lock behind"


class Join(Call):
    """Is called on a lease connection of its own, which is closed after any error."""

    def __init__(self, scene, name):
        self.name = name
        self.scene = scene
        self.text = "SELECT * FROM holdfast.join('d', 1, 'test', NULL, NULL, 1, %s, %s, %s)"
        self.others = [Connection(scene.cluster.node_dsn) for _ in range(2)]
        self.values = (PATIENT_MS, *(other.pid for other in self.others))
        self.connection = None
        self.renew()

    def renew(self):
        if self.connection:
            self.connection.close()
        self.connection = Connection(self.scene.cluster.node_dsn,
                                     options=f"-c idle_session_timeout={PATIENT_MS}")

    def after(self, scene):
        pid = self.connection.pid
        self.renew()
        assert wait_for(lambda: scene.advisory_locks(pid) == 0), "the lock outlived the connection"


def tables_of(call):
    """The tables that a call locks, by a call that is rolled back."""
    raw = call.connection.raw
    raw.autocommit = False
    try:
        call.run()
        found = call.connection.rows(
            "SELECT DISTINCT c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
            "  WHERE l.pid = pg_backend_pid() AND c.relkind = 'r'"
            "    AND c.relnamespace = 'holdfast'::regnamespace ORDER BY 1")
    finally:
        raw.rollback()
        raw.autocommit = True
    if isinstance(call, Join):
        call.renew()
    return [row[0] for row in found]


def hit(scene, call, mode):
    """Runs the call until it is hit; gives its SQLSTATE."""
    connection = call.connection
    if mode != "cancel":
        connection.rows(f"SET {mode} = {SOON_MS}")
    box = {}

    def run():
        try:
            call.run()
        except psycopg2.Error as error:
            box["code"] = error.pgcode
    thread = threading.Thread(target=run)
    thread.start()
    if mode == "cancel":
        assert wait_for(lambda: scene.cluster.admin.one(
            "SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", connection.pid) == "Lock")
        scene.cluster.admin.rows("SELECT pg_cancel_backend(%s)", connection.pid)
    thread.join(60)
    assert not thread.is_alive(), f"{call.name} still waits after {mode}"
    if mode != "cancel":
        reset(connection, mode)
    return box.get("code")


def reset(connection, mode):
    """The time-out may hit the statement that ends it."""
    while True:
        try:
            connection.rows(f"RESET {mode}")
            return
        except psycopg2.errors.QueryCanceled:
            continue


def test_every_call_of_a_node_is_hit_here():
    assert node_functions() == sorted([*CALLS, "join"])


@pytest.mark.parametrize("name", [*CALLS, "join"])
def test_nothing_is_stranded(cluster, name):
    """Blocks the call at each table that it touches, lets a time-out or a cancel hit it there, and
    looks at what is left."""
    scene = Scene(cluster)
    call = (Join if name == "join" else Call)(scene, name)
    tables = tables_of(call)
    assert tables, "it touches nothing?"
    blocker = psycopg2.connect(cluster.dsn)
    before = scene.state()
    for place, table in enumerate(tables):
        for mode in MODES if place == 0 else (MODES[place % len(MODES)],):
            blocker.cursor().execute(f"LOCK TABLE holdfast.{table} IN ACCESS EXCLUSIVE MODE")
            code = hit(scene, call, mode)
            blocker.rollback()
            assert code in ("57014", "55P03"), (table, mode, code)
            call.after(scene)
            assert scene.state() == before, f"{mode} at {table} left a half state"
            assert cluster.errors() == []
            tables_of(call)  # the next call succeeds
    call.run()
    if name != "join":
        call.after(scene)
    assert cluster.errors() == []
    blocker.close()
    if name == "join":
        for connection in (call.connection, *call.others):
            connection.close()
