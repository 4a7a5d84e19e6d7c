"""The simulator's model of the database against the real functions: the same random calls, the same answers and
tables after each. Tokens are compared by what becomes of them (none, kept, greater), never by value.

HOLDFAST_CONFORMANCE_SEED repeats a fresh run; HOLDFAST_CONFORMANCE_CALLS makes it longer.
"""

import os
import pathlib
import random
import subprocess

import psycopg2
import pytest

# Neither a lease nor a reservation ends by itself before the run does, however busy the machine is.
TTL_MS = 600000
NODES, HUBS, PARTITIONS = 5, 2, 5
ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = pathlib.Path(os.environ.get("HOLDFAST_BUILD", ROOT / "build/asan")) / "tests/sim/holdfast-sim"
STATE = """
SELECT h.hub, h.partition, p.state, o.node, s.node, p.reserved_node, p.generation, c.sequence, p.token, c.token
  FROM (SELECT substr(hub, 2)::int AS hub, partition::int, partition_id FROM holdfast.partition) h
  JOIN holdfast.partition p USING (partition_id)
  JOIN holdfast.checkpoint c USING (partition_id)
  LEFT JOIN holdfast.session o ON o.session_id = p.owner_session_id
  LEFT JOIN holdfast.session s ON s.session_id = p.successor_session_id
 ORDER BY p.partition_id"""


class Tokens:
    """What became of each token since the last look: none, kept or greater."""

    def __init__(self):
        self.last = {}

    def look(self, name, token):
        before, self.last[name] = self.last.get(name), token or self.last.get(name)
        if not token:
            return "none"
        if before is None or token > before:
            return "greater"
        return "kept" if token == before else "lower"


class Model:
    def __init__(self):
        self.process = subprocess.Popen([str(PROGRAM), "model"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        self.tokens = Tokens()
        self.raw = {}
        self.term_token = 0

    def __call__(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer, leader, *partitions = self.process.stdout.readline().strip().split(" | ")
        node, token = leader.split()
        self.term_token = int(token)
        state = [(node, self.tokens.look("term", int(token)))]
        self.raw = {}
        for i, line in enumerate(partitions):
            hub, number, kind, owner, heir, kept, generation, sequence, token, fence = line.split()
            self.raw[i] = int(token)
            state.append((hub, number, kind, owner, heir, kept, generation, sequence,
                          self.tokens.look(i, int(token)), token == fence))
        return answer, state

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


class Real:
    """The same calls to the real functions. Nodes are named by their number."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.admin = cluster.admin
        self.tokens = Tokens()
        self.members = {}
        self.term_token = 0
        self.raw = {}
        self.ids = []

    def state(self):
        leader = self.admin.row("SELECT s.node, l.token FROM lease l LEFT JOIN session s USING (session_id)")
        self.term_token = leader[1] or 0
        state = [(leader[0] or "-", self.tokens.look("term", leader[1]))]
        self.ids = [row[0] for row in self.admin.rows("SELECT partition_id FROM partition ORDER BY 1")]
        self.raw = {}
        for i, row in enumerate(self.admin.rows(STATE)):
            hub, number, kind, owner, heir, kept, generation, sequence, token, fence = row
            self.raw[i] = token or 0
            state.append((str(hub), str(number), kind, owner or "-", heir or "-", kept or "-", str(generation),
                          str(-1 if sequence is None else sequence), self.tokens.look(i, token), token == fence))
        return state

    def is_live(self, node):
        return node in self.members and not self.members[node].lease.raw.closed

    def join(self, node, key, capacity):
        old = self.members.get(node)
        previous = {0: None, 1: old and old.key, 2: "00000000-0000-0000-0000-000000000007"}[key]
        self.members[node] = member = self.cluster.node(str(node), TTL_MS)
        member.join(previous_key=previous, capacity=capacity)
        if old is not None:
            old.close()
        return "ok"

    def kill(self, node):
        self.members[node].kill()
        return "ok"

    def restart(self):
        self.cluster.new_incarnation()
        return "ok"

    def call(self, node, function, *arguments):
        """A call under the key of the node's last session, also of one that is over."""
        member = self.members[node]
        line = member.work if self.is_live(node) else self.spare
        marks = ", ".join(["%s"] * (len(arguments) + 1))
        return line.rows(f"SELECT * FROM holdfast.{function}({marks})", member.key, *arguments)

    @property
    def spare(self):
        if "spare" not in self.members:
            self.members["spare"] = self.cluster.node("spare", TTL_MS)
        line = self.members["spare"].work
        if line.raw.closed:
            self.members["spare"] = self.cluster.node("spare", TTL_MS)
        return self.members["spare"].work

    def expire(self, what):
        changes = {"moves": "UPDATE partition SET move_deadline = clock_timestamp() - interval '1 s'"
                            " WHERE move_deadline IS NOT NULL",
                   "calls_off": "UPDATE partition SET move_again_at = clock_timestamp() - interval '1 s'"
                                " WHERE move_again_at IS NOT NULL",
                   "declines": "UPDATE decline SET until = clock_timestamp() - interval '1 s'",
                   "reservations": "UPDATE cluster SET reserved_until = '-infinity'"}
        self.admin.rows(changes[what])
        self.admin.rows("UPDATE cluster SET rebalance_at = clock_timestamp() - interval '1 ms'"
                        " WHERE rebalance_at > clock_timestamp()")
        return "ok"


def outcome(call):
    """What a call answers, or the SQLSTATE with which it fails."""
    try:
        return call()
    except psycopg2.Error as error:
        return error.pgcode


class Pair:
    """Draws calls and makes each on both sides."""

    def __init__(self, model, real, rng):
        self.model, self.real, self.rng = model, real, rng
        self.enabled = [True] * HUBS
        self.created = [1] * HUBS
        self.drained = set()

    def known(self):
        return [node for node in range(NODES) if node in self.real.members]

    def live(self):
        return [node for node in self.known() if self.real.is_live(node)]

    def both(self, words, call):
        theirs = outcome(call)
        return words, self.model(*words), (str(theirs), self.real.state())

    def join(self):
        node = self.rng.randrange(NODES)
        live = self.real.is_live(node)
        key = 1 if live else self.rng.choice([0, 1, 1, 2])
        if node not in self.real.members:
            key = 0
        capacity = self.rng.choice([1, 1, 1, 2, 5])
        return self.both(("join", node, key, capacity, TTL_MS), lambda: self.real.join(node, key, capacity))

    def by_node(self, name, node):
        def call():
            rows = self.real.call(node, name)
            return str(rows[0][4]).lower() if name == "poll" else "ok"
        return self.both((name, node), call)

    def simple(self):
        known = self.known()
        if not known:
            return self.join()
        node = self.rng.choice(known)
        name = self.rng.choice(["poll", "sweep", "sweep", "leave"])
        # A node that is gone polls no more: poll() notes the connection that calls.
        if name == "poll" and not self.real.is_live(node):
            name = "sweep"
        return self.by_node(name, node)

    def leader(self):
        for node in self.live():
            if outcome(lambda node=node: self.real.call(node, "poll")[0][4]) is True:
                return node
        return None

    def tend(self):
        node = self.leader()
        if node is None or self.rng.random() < 0.1:
            node = self.rng.choice(self.live() or [None])
        if node is None:
            return self.join()
        stale = self.rng.random() < 0.1
        ours = 1 if stale else self.model.term_token
        theirs = 1 if stale else self.real.term_token
        return self.both(("tend", node, ours),
                         lambda: "ok" if self.real.call(node, "tend", theirs) else "")

    def report(self):
        node = self.leader()
        if node is None:
            return self.join()
        hub = self.rng.randrange(HUBS)
        if self.rng.random() < 0.1:
            self.created[hub] += 1
        count = self.rng.randrange(1, PARTITIONS + 1)
        names = [str(i) for i in range(count)]
        if self.created[hub] > 1:  # a shrinking hub is not modelled
            count = PARTITIONS
            names = [str(i) for i in range(PARTITIONS)]
        created = self.created[hub]
        return self.both(("report_hub", node, self.model.term_token, hub, created, count),
                         lambda: self.real.call(node, "report_hub", self.real.term_token, f"h{hub}", "e",
                                                created, names)[0][0])

    def about_partition(self):
        known = self.known()
        if not known or not self.real.raw:
            return self.report()
        i = self.rng.randrange(len(self.real.raw))
        owner = self.real.state()[i + 1][3]
        node = int(owner) if owner != "-" and self.rng.random() < 0.85 else self.rng.choice(known)
        stale = self.rng.random() < 0.1
        ours, theirs = (1, 1) if stale else (self.model.raw[i] or 1, self.real.raw[i] or 1)
        partition = self.real.ids[i]
        name = self.rng.choice(["save", "save", "release", "release", "keep", "decline"])
        if name == "save":
            sequence = self.rng.randrange(1, 50)
            return self.both(("save", node, i, ours, sequence),
                             lambda: self.real.call(node, "save_checkpoints", [partition], [theirs], [str(sequence)],
                                                    [sequence], [sequence])[0][1])
        more = [] if name == "release" else ["test"]
        return self.both((name, node, i, ours),
                         lambda: str(self.real.call(node, name, partition, theirs, *more)[0][0]).lower())

    def kill(self):
        live = self.live()
        if not live:
            return self.join()
        node = self.rng.choice(live)
        return self.both(("kill", node), lambda: self.real.kill(node))

    def restart(self):
        return self.both(("restart",), self.real.restart)

    def steer(self):
        if not self.known() or not self.real.raw:
            return self.join()
        what = self.rng.choice(["drain", "move", "move", "hub", "expire", "expire"])
        if what == "drain":
            node = self.rng.choice(self.known())
            drained = node not in self.drained
            (self.drained.add if drained else self.drained.discard)(node)
            function = "drain_node" if drained else "undrain_node"
            return self.both(("drain", node, int(drained)),
                             lambda: self.real.admin.rows(f"SELECT {function}(%s)", str(node)) and "ok")
        if what == "move":
            node, i = self.rng.choice(self.known()), self.rng.randrange(len(self.real.raw))
            hub, number = self.real.state()[i + 1][:2]
            return self.both(("move", i, node), lambda: self.real.admin.rows(
                "SELECT move_partition(%s, %s, %s)", f"h{hub}", number, str(node)) and "ok")
        if what == "hub":
            hub = self.rng.randrange(HUBS)
            self.enabled[hub] = not self.enabled[hub]
            return self.both(("hub", hub, int(self.enabled[hub])),
                             lambda: self.real.cluster.add_hub(f"h{hub}", self.enabled[hub]) or "ok")
        what = self.rng.choice(["moves", "calls_off", "declines", "reservations"])
        return self.both(("expire", what), lambda: self.real.expire(what))

    def step(self):
        draw = self.rng.choices([self.join, self.simple, self.tend, self.report, self.about_partition, self.kill,
                                 self.restart, self.steer], [12, 15, 20, 5, 40, 6, 2, 12])[0]
        return draw()


FRESH = int(os.environ.get("HOLDFAST_CONFORMANCE_SEED", random.randrange(10**6)))


@pytest.mark.parametrize("seed", [1, FRESH])
def test_the_model_does_what_the_functions_do(cluster, seed):
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} is not built")
    calls = int(os.environ.get("HOLDFAST_CONFORMANCE_CALLS", "500"))
    print(f"HOLDFAST_CONFORMANCE_SEED={seed}")
    cluster.admin.rows("DELETE FROM hub")
    settings = cluster.admin.rows("SELECT name, value FROM setting")
    cluster.admin.rows("UPDATE setting SET value = v.value FROM (VALUES ('rebalance_delay_ms', '0'),"
                       " ('decline_pass_over_ms', '600000'), ('move_deadline_ms', '600000'), ('flap_hold_ms', '0'),"
                       " ('ttl_ms', '1000')) v (name, value) WHERE v.name = setting.name")
    model, real = Model(), Real(cluster)
    try:
        for hub in range(HUBS):
            cluster.add_hub(f"h{hub}")
            model("hub", hub, 1)
        pair = Pair(model, real, random.Random(seed))
        trace = []
        for number in range(calls):
            words, ours, theirs = pair.step()
            trace.append(f"{words} -> {theirs[0]}")
            assert ours == theirs, (
                f"seed {seed}, call {number}: {words}\nmodel  {ours}\nserver {theirs}\n"
                "before: " + "; ".join(trace[-12:]))
    finally:
        model.close()
        for name, value in settings:  # the tests that follow have them too
            cluster.admin.rows("UPDATE setting SET value = %s WHERE name = %s", value, name)
