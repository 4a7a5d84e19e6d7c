"""Dead letters: one broken device stops one partition, and what is replayed is what was stored."""

from harness import http
from harness.waiting import wait_until
from proof import end, settle

BROKEN = "stranger"
CEILING = 5


def admin(cluster, text, arguments=None):
    return cluster.query(text, arguments, user="admin")


def bound_by_pattern(cluster):
    """Only the generator's devices are bound, so that every event of another is a dead letter."""
    admin(cluster, "SELECT holdfast.set_fleet(name => 'demo', destination => 'thingworx',"
                   " device_pattern => '^device-')")


def states(cluster):
    """{state: how many dead letters}"""
    return {row.state: row.n for row in cluster.query(
        "SELECT state, count(*) AS n FROM holdfast.dead_letters GROUP BY state")}


def held(cluster):
    """{partition: the device that stops it}"""
    return {row.partition: row.held_device for row in cluster.watch(
        "SELECT partition, held_device FROM holdfast.partitions WHERE held_since IS NOT NULL")}


def findings(cluster, what):
    return cluster.query("SELECT subject FROM holdfast.diagnose() WHERE error LIKE %s", (what,))


def values(cluster, thing):
    """[(property, value as text)] of a Thing from the ledger, in the order of acceptance."""
    _status, text = http.fetch(f"{cluster.thingworx.control}/ledger?names=seq,v,w")
    lines = (line.split("\t") for line in text.splitlines())
    return [(line[4], line[6]) for line in lines if line[3] == thing]


def total(cluster, metric):
    return sum(node.metric(metric) for node in cluster.nodes.values())


def others_passed(cluster, paused, above):
    reached = cluster.checkpoints()
    return all(reached.get(str(p), -1) > above for p in range(cluster.hub.partitions)
               if str(p) != paused)


def test_a_device_at_its_ceiling_pauses_its_partition_only(make_cluster):
    cluster = make_cluster(nodes=2, partitions=4, devices=50)
    bound_by_pattern(cluster)
    admin(cluster, "SELECT holdfast.set_setting('dead_letter_ceiling', %s)", (str(CEILING),))
    for seq in range(CEILING + 3):
        cluster.hub.send(BROKEN, body={"seq": seq}, partition=0)
    wait_until(lambda: held(cluster) == {"0": BROKEN}, 60, lambda: f"it pauses: {held(cluster)}")
    assert states(cluster) == {"kept": CEILING}
    assert findings(cluster, "%too many dead letters%")
    cluster.hub.generate(devices=50, rate=400)
    wait_until(lambda: others_passed(cluster, "0", 100), 60, "other partitions go on")
    assert cluster.checkpoints().get("0", -1) < CEILING, "no checkpoint passes what is held back"
    assert states(cluster) == {"kept": CEILING}
    wait_until(lambda: total(cluster, "holdfast_dead_letters_held") > 0, 60, "the metric says so")
    emitted = cluster.hub.stop_generator()
    assert emitted > 0
    admin(cluster, "SELECT holdfast.discard_dead_letters(device => %s)", (BROKEN,))
    wait_until(lambda: not held(cluster), 60, "it goes on by itself")
    cluster.wait_delivered()
    assert states(cluster) == {"discarded": CEILING, "kept": 3}
    assert not findings(cluster, "%too many dead letters%")
    settle(cluster, duplicates=0, dead_letters=CEILING + 3)
    end(cluster)


def test_what_is_dropped_is_counted(make_cluster):
    cluster = make_cluster(nodes=1, partitions=2, devices=10)
    bound_by_pattern(cluster)
    admin(cluster, "SELECT holdfast.set_dead_letter_policy('drop', %s, 'demo', '^stra')", (CEILING,))
    for seq in range(CEILING + 7):
        cluster.hub.send(BROKEN, body={"seq": seq}, partition=0)
    cluster.wait_delivered()
    assert not held(cluster), "nothing pauses"
    assert states(cluster) == {"kept": CEILING}
    dropped = cluster.query("SELECT fleet, device, cause, letters FROM holdfast.dead_letters_dropped")
    assert [tuple(row) for row in dropped] == [("demo", BROKEN, "ceiling", 7)]
    assert total(cluster, "holdfast_dead_letters_dropped_total") == 7
    assert total(cluster, "holdfast_dead_letters_total") == CEILING
    assert findings(cluster, "%have been dropped%")
    end(cluster)


def test_a_replay_after_weeks_gives_the_stored_values_in_order(make_cluster):
    """Whole events and single values, over partitions of several weeks and one that was dropped."""
    cluster = make_cluster(nodes=1, partitions=1, things=[])
    cluster.thingworx.ask("/things", {"names": ["strict"], "permissive": False,
                                      "properties": {"seq": "LONG", "v": "NUMBER"}})
    bodies = ['{"seq": 0, "v": 1.10}', '{"seq": 1, "v": 1e3}', '{"seq": 2, "v": -0.50}',
              '{"seq": 3, "v": 123456789.125}']
    bound_by_pattern(cluster)
    admin(cluster, "SELECT holdfast.bind_device(fleet => 'demo', device => 'strict', thing => 'strict')")
    for body in bodies:
        cluster.hub.send(BROKEN, raw=body)
    cluster.thingworx.make_things(names=["device-1"])
    for seq in range(2):
        cluster.hub.send("strict", raw='{"seq": %d, "w": %d.50}' % (seq, seq))

    def refused():
        cluster.hub.send("device-1", body={"seq": 0})  # a Thing that works proves it
        return states(cluster) == {"kept": 6}

    wait_until(refused, 60, lambda: f"letters: {states(cluster)}", every=0.1)
    # Weeks pass: the first two letters are older, and the week before them is over and goes.
    cluster.query(
        "DO $$ DECLARE week timestamptz := date_trunc('week', clock_timestamp(), 'UTC');"
        "  name text; BEGIN FOR n IN 1..20 LOOP week := week - interval '168 hours';"
        "  name := 'dead_letter_' || to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD');"
        "  EXECUTE format('CREATE TABLE holdfast.%I PARTITION OF holdfast.dead_letter FOR VALUES"
        " FROM (%L) TO (%L)', name, week, week + interval '168 hours');"
        "  EXECUTE format('ALTER TABLE holdfast.%I OWNER TO holdfast_owner', name);"
        " END LOOP; END $$")
    cluster.query("UPDATE holdfast.dead_letter SET created_at = created_at - (3 - sequence)"
                  " * interval '8 days' WHERE sequence < 3")
    cluster.query("UPDATE holdfast.housekeeping SET done_at = '-infinity' WHERE task = 'dead_letters'")
    weeks = "SELECT count(*) AS n FROM holdfast.dead_letter_weeks() WHERE ends_at <" \
            " clock_timestamp() - interval '90 days'"
    wait_until(lambda: cluster.query(weeks)[0].n == 0, 60, "the leader drops the weeks that are over")
    assert states(cluster) == {"kept": 6}
    admin(cluster, "SELECT holdfast.bind_device(fleet => 'demo', device => %s, thing => %s)",
          (BROKEN, BROKEN))
    cluster.thingworx.make_things(names=[BROKEN, "strict"])
    asked = admin(cluster, "SELECT holdfast.replay_dead_letters(since => '-infinity',"
                           " until => now() - interval '7 days') AS n")
    assert asked[0].n == 3, "by time"
    wait_until(lambda: states(cluster) == {"kept": 3, "replayed": 3}, 60,
               lambda: f"replayed: {states(cluster)}")
    admin(cluster, "SELECT holdfast.replay_dead_letters()")
    wait_until(lambda: states(cluster) == {"replayed": 6}, 60, lambda: f"replayed: {states(cluster)}")
    assert values(cluster, BROKEN) == [("seq", "0"), ("v", "1.10"), ("seq", "1"), ("v", "1e3"),
                                       ("seq", "2"), ("v", "-0.50"), ("seq", "3"),
                                       ("v", "123456789.125")]
    assert [value for name, value in values(cluster, "strict") if name == "w"] == ["0.50", "1.50"]
    end(cluster)


