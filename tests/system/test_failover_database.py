"""The database fails over to a standby; the nodes follow, and refuse a primary that stayed behind."""

import re
import signal

import pytest
from database_kit import keep_for_long, same, saved
from failover_kit import (NODES, PATIENT, RATE, assert_one_history, assert_went_on, emitted, timelines,
                          tokens, wait_accepted, wait_attached, wait_events, wait_known)
from harness.node import Node
from harness.replication import Pair
from harness.tcp_proxy import Proxy
from harness.waiting import wait_until
from proof import died_with, end, settle, unsaved


@pytest.fixture
def make_pair(request, run):
    made = []

    def make(synchronous):
        name = re.sub(r"\W+", "-", request.node.name.removeprefix("test_"))[:40]
        made.append(Pair(run, name, synchronous))
        return made[-1]

    yield make
    for pair in made:
        pair.end()


def begin(make_cluster, pair):
    """A cluster on the pair, under load, all of it delivered from time to time."""
    cluster = make_cluster(nodes=NODES, own_postgres=pair, node_arguments=PATIENT)
    cluster.hub.generate(rate=RATE)
    wait_known(cluster)
    keep_for_long(cluster)
    return cluster


def fail_over(cluster, pair):
    """Promotes the standby, and waits until all nodes work with it and own everything."""
    pair.promote()
    cluster.look_away()
    wait_attached(cluster, pair.new)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_nodes_follow_a_promoted_standby(make_cluster, make_pair, how):
    """The primary dies; delivery goes on meanwhile, and everything is found where it was."""
    pair = make_pair(how == "sync")
    cluster = begin(make_cluster, pair)
    before, owners = tokens(cluster), cluster.owners()
    pair.wait_caught_up()
    noticed = cluster.query("SELECT error FROM holdfast.diagnose()"
                            " WHERE subject = 'synchronous_standby_names'")
    assert [row.error for row in noticed] == (
        [] if how == "sync" else ["All standbys are asynchronous"])
    pair.old.kill()
    # More than may come twice, by far.
    wait_accepted(cluster, 2 * died_with(RATE, 1, 1))
    fail_over(cluster, pair)
    same(cluster, cluster.owners(), owners, "partitions are kept for their nodes")
    after = tokens(cluster)
    assert min(after.values()) > max(before.values())
    assert timelines(cluster) == [1, 2]
    wait_events(cluster, 1)
    # No node died: each goes on where it stands, but for what was on the wire.
    settle(cluster, duplicates=died_with(RATE, 1, 1))
    assert_one_history(cluster)
    end(cluster)


def saved_by(cluster, node, token):
    """The partitions whose checkpoints the node has advanced under grants after that token."""
    return sorted(row.partition for row in cluster.query(
        "SELECT DISTINCT p.partition FROM audit.save s JOIN holdfast.partition p USING (partition_id)"
        "  JOIN holdfast.ownership o ON o.partition_id = s.partition_id AND o.token = s.token"
        "  JOIN holdfast.session v USING (session_id)"
        " WHERE v.node = %s AND s.token > %s AND s.sequence > s.old_sequence", (node, token)))


def test_a_node_that_stops_meanwhile_hands_over_what_it_has_delivered(make_cluster, make_pair):
    """Told to stop while there is no database, it waits for the new one and saves there."""
    pair = make_pair(True)
    cluster = begin(make_cluster, pair)
    before, owned = max(tokens(cluster).values()), cluster.partitions_of("node-3")
    pair.old.kill()
    wait_events(cluster, 3)
    leaving = cluster.nodes["node-3"]
    leaving.signal(signal.SIGTERM)
    wait_until(lambda: "stopping: finishing" in leaving.log.read_text(), 60, "it is stopping")
    pair.promote()
    cluster.look_away()
    assert leaving.child.wait(120) == 0
    wait_attached(cluster, pair.new, NODES - 1)
    wait_events(cluster, 1)
    assert saved_by(cluster, "node-3", before) == sorted(owned)
    # The others had something on the wire when their grants got fresh tokens.
    settle(cluster, duplicates=died_with(RATE, 1, 1))
    assert_one_history(cluster)
    end(cluster)


def test_dead_letters_that_the_standby_has_lost_are_written_again(make_cluster, make_pair):
    """What a node has delivered it does not deliver again, but a dead letter counts only where it
    is stored: on the new timeline it is not."""
    pair = make_pair(False)
    cluster = begin(make_cluster, pair)
    cluster.query("SELECT holdfast.set_fleet(name => 'demo', destination => 'thingworx',"
                  " device_pattern => '^device-')", user="admin")
    pair.wait_caught_up()
    pair.new.cut_off()
    cluster.hub.send("stranger", body={"seq": 1, "p1": 1}, partition=0)
    (letter,) = wait_until(cluster.dead_letters, 60, "the event is a dead letter")
    wait_until(lambda: cluster.checkpoints()["0"] > letter.sequence, 60, "the checkpoint is past it")
    pair.old.kill()
    # Asked before it is promoted: then the nodes come at once.
    assert pair.new.query("SELECT FROM holdfast.dead_letter", database=cluster.database) == [], "it is lost"
    pair.promote()
    cluster.look_away()
    wait_attached(cluster, pair.new)
    wait_events(cluster, 1)
    settle(cluster, duplicates=emitted(cluster), dead_letters=1)
    end(cluster)


def tokens_in(node, sentence):
    """Of the grants of which the node's log says so."""
    return {int(token) for token in re.findall(re.escape(sentence) + r".*\btoken=(\d+)",
                                               node.log.read_text(errors="replace"))}


def says(node, sentence):
    return node.log.read_text(errors="replace").count(sentence)


def still_there(server, database):
    """Whose session goes on at a server."""
    return [row.application_name for row in server.query(
        "SELECT application_name FROM pg_stat_activity WHERE datname = %s"
        " AND application_name LIKE 'holdfast %% lease'", (database,), database="postgres")]


def test_nodes_leave_a_stale_primary_when_they_are_stolen_from(make_cluster, make_pair):
    """Split brain: the old primary lives on, and only one node cannot reach it any more. It goes
    to the new one and takes everything over; the hub tells the others, and they look around."""
    pair = make_pair(False)
    cluster = make_cluster(nodes=NODES, own_postgres=pair, started=False,
                           node_arguments=["--ttl-ms", "2000"])
    cluster.prepare()
    cluster.configure()
    way = Proxy(pair.old.port)
    cluster.add_node("node-1", database_port=(way.port, pair.new.port))
    for name in ("node-2", "node-3"):
        cluster.add_node(name)
    cluster.wait_balanced()
    cluster.hub.generate(rate=RATE)
    wait_known(cluster)
    before = tokens(cluster)
    agreed = saved(cluster)
    pair.wait_caught_up()
    pair.promote()
    wait_events(cluster, 1)
    assert len(still_there(pair.old, cluster.database)) == NODES, "nobody has noticed yet"
    way.hold()
    cluster.look_away()
    wait_attached(cluster, pair.new)
    cluster.wait_balanced(60)
    # What changed its owner is delivered again since the promotion, and nothing else.
    forked = unsaved(cluster, agreed)
    wait_events(cluster, 1)
    settle(cluster, duplicates=forked + died_with(RATE, 1, 1))
    assert still_there(pair.old, cluster.database) == []
    assert min(tokens(cluster).values()) > max(before.values())
    for name in ("node-2", "node-3"):
        assert_went_on(cluster.nodes[name], 2)
        stolen = tokens_in(cluster.nodes[name], "a higher token reads the partition")
        assert stolen
        confirmed = tokens_in(cluster.nodes[name], '"the database confirms the grant')
        assert not stolen & confirmed & set(before.values()), "by a primary that was left behind"
    assert_one_history(cluster)
    end(cluster)
    way.close()


def test_an_asynchronous_standby_has_lost_the_last_grants(make_cluster, make_pair):
    """The new primary knows neither the last owners nor one of the nodes; then the old one turns
    up again, while the new one is away."""
    pair = make_pair(False)
    # What was node-2's is kept for it for one TTL after the fail-over, in vain.
    cluster = make_cluster(nodes=2, own_postgres=pair, node_arguments=["--ttl-ms", "7000"])
    cluster.hub.generate(rate=RATE)
    wait_known(cluster)
    agreed = saved(cluster)
    pair.wait_caught_up()
    pair.new.cut_off()
    cluster.nodes["node-2"].kill()
    wait_until(lambda: set(cluster.owners().values()) == {"node-1"}
               and len(cluster.owners()) == cluster.hub.partitions, 60, "node-1 owns everything")
    cluster.add_node("node-3")
    cluster.wait_balanced()
    wait_events(cluster, 1)
    lost = tokens(cluster)
    pair.old.kill()
    pair.promote()
    cluster.look_away()
    assert cluster.query("SELECT FROM holdfast.ownership WHERE token = ANY (%s)",
                         (list(lost.values()),)) == [], "these grants were lost"
    wait_attached(cluster, pair.new, nodes=2)
    cluster.wait_balanced(60)
    assert min(tokens(cluster).values()) > max(lost.values())
    assert_one_history(cluster)
    forked = unsaved(cluster, agreed)
    keep_for_long(cluster)
    refuse_the_old(cluster, pair)
    settle(cluster, duplicates=forked + died_with(RATE, 1, 1))
    assert_one_history(cluster)
    end(cluster)


def refuse_the_old(cluster, pair):
    """The new primary is away and the old one takes writes: nobody goes there."""
    owners = cluster.owners()
    pair.new.stop()
    cluster.look_away()
    pair.old.start()
    living = [node for node in cluster.nodes.values() if node.alive]
    wait_until(lambda: all(says(node, "on a timeline that was left behind") for node in living),
               60, "all nodes have seen the old primary and refuse it")
    wait_events(cluster, 1)
    wait_accepted(cluster, RATE)
    pair.new.start()
    wait_attached(cluster, pair.new, nodes=2)
    same(cluster, cluster.owners(), owners)
    assert still_there(pair.old, cluster.database) == []
    for node in living:
        assert_went_on(node, 2)


def test_one_address_that_leads_back_to_the_stale_primary(make_cluster, make_pair):
    """A virtual address moves to the new primary and back: the node compares timelines itself."""
    pair = make_pair(False)
    cluster = make_cluster(nodes=1, own_postgres=pair, started=False)
    cluster.prepare()
    cluster.configure()
    address = Proxy(pair.old.port)
    node = cluster.add_node("node-1", database_port=(address.port,))
    cluster.wait_balanced()
    cluster.hub.generate(rate=RATE)
    wait_known(cluster)
    pair.wait_caught_up()
    pair.promote()
    cluster.look_away()
    move(address, pair.new)
    wait_attached(cluster, pair.new, nodes=1)
    move(address, pair.old)
    wait_until(lambda: says(node, "the database is on a timeline that was left behind"), 60,
               "the node has been at the old primary and refuses it")
    assert not node.ready()
    move(address, pair.new)
    wait_attached(cluster, pair.new, nodes=1)
    settle(cluster, duplicates=died_with(RATE, 1, 1))
    assert_went_on(node, 2)
    assert_one_history(cluster)
    end(cluster)
    address.close()


def move(address, server):
    address.target = ("127.0.0.1", server.port)
    address.drop()


def test_hosts_that_do_not_answer_do_not_stand_in_the_way(make_cluster):
    """A name that is gone (of a container that is gone) and a host that swallows everything."""
    cluster = make_cluster(nodes=0, started=False)
    cluster.prepare()
    cluster.configure()
    silent = Proxy(cluster.postgres.port)
    silent.hold()
    dsn = cluster.postgres.dsn("node", cluster.database, port=f"1,{silent.port},{cluster.postgres.port}")
    dsn = dsn.replace("host=127.0.0.1", "host=no-such-host.invalid,127.0.0.1,127.0.0.1")
    node = cluster.nodes["node-1"] = Node(cluster.run, "node-1", dsn)
    node.start(wait=False)
    node.wait_ready(120)
    cluster.wait_balanced()
    silent.close()
    end(cluster)
