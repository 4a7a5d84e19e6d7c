"""What the scenarios of a database that fails have in common."""

import os
import pathlib
import time

import psycopg2

from harness import process
from harness.waiting import wait_until
from proof import undisturbed

RATE = 400
# A node that stands still for longer than a fifth of it sends nothing before the database answers.
TTL = 4.0
# However long the machine takes for a clean stop.
NODE_ARGUMENTS = ["--ttl-ms", int(TTL * 1000), "--drain-ms", "50000"]


def steady(cluster, rate=RATE):
    """Events flow through every partition."""
    cluster.hub.generate(rate=rate)
    wait_until(lambda: len(cluster.checkpoints()) == cluster.hub.partitions, 60,
               "every partition has a checkpoint")


def keep_for_long(cluster):
    """After a restart of the database partitions are kept for their nodes for the longest TTL, which is
    the setting's here: nodes of a busy machine take their time to come back."""
    cluster.query("SELECT holdfast.set_setting('ttl_ms', '300000')", user="admin")


def keep_no_longer(cluster):
    """That time is over."""
    cluster.query("UPDATE holdfast.cluster SET reserved_until = clock_timestamp()")


def saved(cluster):
    """The checkpoints, as even a crash of the database leaves them: what they commit is flushed a little
    later, and what was written before a checkpoint of the server is."""
    found = cluster.checkpoints()
    cluster.query("CHECKPOINT")
    return found


def joined_again(cluster, names, before, seconds=60):
    """Waits until these nodes have sessions younger than `before`, which sessions() gave."""
    def joined():
        found = sessions(cluster)
        return all(found.get(name, 0) > before[name] for name in names)
    wait_until(joined, seconds, f"{', '.join(names)} have joined again")


def same(cluster, found, wanted, what=""):
    """What holds while the machine lets every node run."""
    if found != wanted:
        undisturbed(cluster)
    assert found == wanted, what


def flow_on(cluster, seconds, rate=RATE):
    """Waits until so many seconds' worth of events were emitted and about as many delivered: the
    database takes no part in it."""
    emitted = cluster.hub.state()["emitted"]
    accepted = cluster.thingworx.state()["accepted_values"]
    enough = int(seconds * rate)
    wait_until(lambda: cluster.hub.state()["emitted"] >= emitted + enough, 60, "events are emitted")
    wait_until(lambda: cluster.thingworx.state()["accepted_values"] >= accepted + enough, 60,
               "events are delivered meanwhile")


def in_doubt(cluster, seconds=60):
    """Waits until no node trusts its lease."""
    wait_until(lambda: not any(node.ready() for node in cluster.nodes.values() if node.alive),
               seconds, "every node doubts its lease")


def owned_as(cluster, grants, seconds=60):
    """Waits until every partition is owned by whom it was."""
    wanted = {partition: grant[0] for partition, grant in grants.items()}
    wait_until(lambda: cluster.owners() == wanted, seconds,
               lambda: f"all partitions are owned as before: {cluster.owners()}, not {wanted}")


def moved_since(cluster, when):
    """Ownerships since then that are no adoptions."""
    return cluster.query("SELECT partition_id, node, how FROM holdfast.ownership"
                         " WHERE how <> 'adopted' AND lower(during) > %s", (when,))


def now_of(cluster):
    return cluster.query("SELECT clock_timestamp() AS now")[0].now


def sessions(cluster):
    """{node: number of its live session}"""
    return {row.node: row.session_id for row in cluster.query(
        "SELECT node, session_id FROM holdfast.session WHERE ended_at IS NULL")}


def backend(cluster, node, line):
    """The server process behind a connection of a node."""
    (row,) = cluster.query(f"SELECT {line}_pid AS pid FROM holdfast.session"
                           " WHERE node = %s AND ended_at IS NULL", (node,))
    return row.pid


def children(pid):
    """{pid: title} of a process' children."""
    found = {}
    try:
        pids = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return found
    for child in pids:
        try:
            title = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0]
            found[int(child)] = title.decode(errors="replace")
        except OSError:
            continue
    return found


def gone(pids, seconds=60):
    """Waits until none of the processes is left."""
    wait_until(lambda: not any(process.start_time(pid) for pid in pids), seconds,
               "what is left of the server has ended")


def seize(pid, number, title, seconds=60):
    """Sends a signal to the first child of that title, as soon as it shows up; gives its pid."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for child, its_title in children(pid).items():
            if title in its_title:
                os.kill(child, number)
                return child
    raise AssertionError(f"no {title} process showed up")


def logged(node, words):
    """How many lines of a node's log hold these words."""
    return node.log.read_text(encoding="utf-8", errors="replace").count(words)


def fill_slots(postgres, database, slots, user="reader"):
    """Takes every connection that the server gives away; gives the connections. `slots` is how many it has
    for others than superusers: one that it is about to refuse has a slot for a moment, too."""
    taken = []

    def taken_up():
        try:
            while True:
                taken.append(postgres.connect(user, database))
        except psycopg2.OperationalError as error:
            assert "connection slots" in str(error) or "too many clients" in str(error), error
        # The one that asks goes again.
        return postgres.query("SELECT count(*) > %s AS full FROM pg_stat_activity WHERE usename IN (%s,"
                              " 'postgres') AND backend_type = 'client backend'", (slots, user),
                              database="postgres")[0].full
    wait_until(taken_up, 60, "no connection is left")
    return taken
