"""Looks at the cluster twice a second while it suffers, on a thread and a connection of its own."""

import threading
import time
import typing

import psycopg2

TTL_SECONDS = 5.0
EVERY_SECONDS = 0.5
# A dead session is swept within a second by the leader's timer once the server has ended it; the
# sanitizers and two busy cores make it longer, a database that is in trouble longer still.
DEAD_TOO_LONG = TTL_SECONDS + 10
FREE_TOO_LONG = 3 * TTL_SECONDS + 10
BLIND_TOO_LONG = 30
STATEMENT_TIMEOUT = "3s"
SLOW = 1.0  # seconds for a question that touches nothing: the machine is too busy

# One statement, so one snapshot.
LOOK = """
SELECT (SELECT l.incarnation::text FROM holdfast.incarnation_live l) AS incarnation,
       (SELECT count(*) FROM holdfast.session s WHERE s.ended_at IS NULL) AS live,
       (SELECT coalesce(json_agg(json_build_array(
                   p.partition, p.generation, c.generation, c.sequence, p.token, c.token, p.state,
                   p.reserved_node IS NOT NULL, s.node)), '[]')
          FROM holdfast.partition p
          LEFT JOIN holdfast.checkpoint c ON c.partition_id = p.partition_id
          LEFT JOIN holdfast.session s ON s.session_id = p.owner_session_id
         WHERE p.retired_at IS NULL) AS partitions,
       (SELECT coalesce(json_agg(o.partition_id), '[]')
          FROM (SELECT x.partition_id FROM holdfast.ownership x WHERE upper_inf(x.during)
                 GROUP BY 1 HAVING count(*) > 1) o) AS owned_twice,
       (SELECT coalesce(json_agg(t.lease), '[]')
          FROM (SELECT x.lease FROM holdfast.term x WHERE upper_inf(x.during)
                 GROUP BY 1 HAVING count(*) > 1) t) AS led_twice
"""

# Who saves a checkpoint must own the partition at that moment: the fence, looked at from outside.
# The probe is a trigger of this run's database only; the take-over writes the checkpoint's row too,
# so what it sees cannot change before the save commits.
PROBE = """
CREATE TABLE public.stale_save (at timestamptz DEFAULT clock_timestamp(), partition_id int,
                                sequence bigint, pid int DEFAULT pg_backend_pid());
CREATE FUNCTION public.look_at_save() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM holdfast.partition p
                     JOIN holdfast.session s ON s.session_id = p.owner_session_id
                    WHERE p.partition_id = new.partition_id AND s.work_pid = pg_backend_pid()) THEN
        INSERT INTO public.stale_save (partition_id, sequence) VALUES (new.partition_id, new.sequence);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER look_at_save AFTER UPDATE OF sequence ON holdfast.checkpoint FOR EACH ROW
    WHEN (new.sequence IS DISTINCT FROM old.sequence AND new.generation = old.generation)
    EXECUTE FUNCTION public.look_at_save();
"""


class Sample(typing.NamedTuple):
    at: float  # seconds since 1970, after the answer
    partition: str
    generation: int
    sequence: int
    life: str  # the incarnation of the database that said so; None: not known yet


class Watch:
    """`excused(since, now, claims)` says for how many of these seconds something was at work that
    claims one of them, so that waiting is no fault; `fail(text)` notes what must not be."""

    def __init__(self, cluster, fail, excused):
        self.cluster = cluster
        self.fail = fail
        self.excused = excused
        self.samples = []
        self.looks = 0
        self.crashes = []  # when a crash of the database may have lost checkpoints
        self.slow = []  # (from, until): the database took so long to answer nothing
        self._incarnation = None
        self._before = {}
        self._tokens = {}
        self._since = {}
        self._seen_at = time.time()
        self._connection = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(20)

    # --- the thread ---

    def _run(self):
        while not self._stop.wait(EVERY_SECONDS):
            began = time.time()
            try:
                self._look(began)
                self._seen_at = time.time()
                self.looks += 1
            except psycopg2.Error as error:
                self._forget()
                blind = began - self._seen_at - self.excused(self._seen_at, began, {"database"})
                if blind > BLIND_TOO_LONG:
                    self.fail(f"the database does not answer the watch: {error}".strip())
                    self._seen_at = began
        self._forget()

    def _forget(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _look(self, began):
        if self._connection is None:
            self._connection = self.cluster.postgres.connect("postgres", self.cluster.database)
            with self._connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = %s", (STATEMENT_TIMEOUT,))
        with self._connection.cursor() as cursor:
            self._ping(cursor)
            cursor.execute(LOOK)
            incarnation, live, partitions, owned_twice, led_twice = cursor.fetchone()
            seen = time.time()
            cursor.execute("SELECT severity, subject, error, hint FROM holdfast.diagnose()")
            findings = cursor.fetchall()
            cursor.execute("SELECT 1 FROM public.stale_save LIMIT 1")
            stale = cursor.fetchone()
        for partition in owned_twice:
            self.fail(f"partition {partition} has two open ownerships")
        for lease in led_twice:
            self.fail(f"lease {lease} has two open terms")
        if stale:
            self.fail("a checkpoint was saved by a session that did not own the partition")
        self._checkpoints(incarnation, partitions, seen)
        self._findings(findings, live, began)
        self._free(partitions, live, began)

    def _ping(self, cursor):
        asked = time.time()
        try:
            cursor.execute("SELECT 1")
        finally:
            if time.time() - asked > SLOW:
                self.slow.append((asked, time.time()))

    def _checkpoints(self, incarnation, partitions, seen):
        # A crash may lose the last checkpoints, which were committed asynchronously.
        forgetful = any(at > seen - 60 for at in self.crashes) or incarnation != self._incarnation
        self._incarnation = incarnation
        for partition, _life, generation, sequence, token, saved_token, _s, _r, _node in partitions:
            if token is not None:
                if token < self._tokens.get(partition, 0):
                    self.fail(f"the token of partition {partition} went back from"
                              f" {self._tokens[partition]} to {token}")
                self._tokens[partition] = token
            if token != saved_token:
                self.fail(f"partition {partition} has token {token}, its checkpoint {saved_token}")
            if sequence is None:
                continue
            before = self._before.get((partition, generation))
            if before is not None and sequence < before and not forgetful:
                self.fail(f"the checkpoint of partition {partition} went back from {before} to {sequence}")
            self._before[partition, generation] = sequence
            self.samples.append(Sample(seen, partition, generation, sequence, incarnation))

    # --- what may be for a moment ---

    def _lasting(self, key, is_so, limit, now, claims):
        """Whether something has been so for longer than the limit, not counting excused seconds."""
        if not is_so:
            self._since.pop(key, None)
            return False
        since = self._since.setdefault(key, now)
        if now - since - self.excused(since, now, claims) <= limit:
            return False
        self._since[key] = now  # say it again only after another such time
        return True

    def _findings(self, findings, live, now):
        present = set()
        for severity, subject, problem, hint in findings:
            if "report" in hint:
                self.fail(f"diagnose(): {subject}: {problem}")
            elif subject.startswith("lock ") or problem.startswith("Nobody holds the lock"):
                present.add((subject, problem))
        for key in {key for key in self._since if isinstance(key, tuple)} | present:
            if self._lasting(key, key in present and live > 1, DEAD_TOO_LONG, now,
                             {"database"}):
                self.fail(f"for more than {DEAD_TOO_LONG:.0f} s: {key[0]}: {key[1]}")

    def _free(self, partitions, live, now):
        for partition, *_rest, state, _reserved, _node in partitions:
            if self._lasting(partition, state == "free" and live > 0, FREE_TOO_LONG, now,
                             {"database", "hub"}):
                self.fail(f"partition {partition} has had no owner for more than {FREE_TOO_LONG:.0f} s")
