"""The Event Hubs source against the lab's hub, driven line by line (source_kit.py)."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest
from source_kit import DRIVER, FOR_EVER, LONG, Hub, Source, sequences

from harness import ports
from harness.tcp_proxy import DOWN, Proxy
from harness.waiting import TimedOut, wait_until


@pytest.fixture(name="hub")
def _hub(tmp_path):
    hub = Hub(tmp_path)
    yield hub
    hub.stop()


@pytest.fixture(name="drive")
def _drive(hub):
    """drive(*options, **parts of the connection string) starts a driver."""
    made = []

    def make(*options, node="driver", **parts):
        made.append(Source(hub.connection_string(**parts), *options, node=node))
        return made[-1]

    yield make
    for source in made:
        source.quit()


def test_comes_up_with_metadata_by_name_and_by_address(drive):
    for host in ("127.0.0.1", "localhost"):
        source = drive(host=host)
        word = source.expect("metadata").split()
        assert word[1] == f"{host}/telemetry" and int(word[2]) > 0 and word[3:] == list("0123")
        source.up()


def test_reads_from_the_start_and_resumes_after_an_offset(hub, drive):
    hub.send(count=5)
    source = drive().up()
    source.read()
    first = source.messages(5)
    assert sequences(first) == [0, 1, 2, 3, 4]
    assert first[4]["device"] == "d1" and first[0]["body"] == '{"a":1}'
    assert first[4]["last"] == 4  # runtime metrics: the end of the log
    source.say("stop 0")
    assert source.next().startswith("ended 0 closed")
    source.read(position=f"after:{first[2]['offset']}", token=2)
    assert sequences(source.messages(2)) == [3, 4]
    source.say("stop 0")
    source.expect("ended 0 closed")
    source.read(position="latest", token=3)
    hub.send()
    assert sequences(source.messages(1)) == [5]


def test_credit_is_all_that_comes(hub, drive):
    hub.send(count=50)
    source = drive().up()
    source.read(credit=3)
    assert sequences(source.messages(3)) == [0, 1, 2]
    assert source.silent(0.3) == []
    source.say("credit 0 2")
    source.say("credit 0 2")
    assert sequences(source.messages(4)) == [3, 4, 5, 6]
    assert source.silent(0.2) == []


def test_a_held_reader_delivers_nothing_and_its_window_is_bounded(hub, drive):
    hub.send(partition=0, count=200, raw="x" * 4000)
    hub.send(partition=1, count=10)
    source = drive("--window", str(64 << 10)).up()
    source.read(credit=1)
    source.messages(1)
    source.say("hold 0")
    source.say("credit 0 1000")
    assert source.silent(0.5) == []
    sent = {entry["id"]: entry["sent"] for entry in hub.ask("/state")["partitions"]}
    assert sent["0"] < 100  # 64 KiB hold some, the hub queues 64 more, and not 200
    source.read(partition=1)  # the others go on
    assert sequences(source.messages(10)) == list(range(10))
    source.say("release 0")
    assert sequences(source.messages(199)) == list(range(1, 200))


def test_what_arrives_for_a_closed_reader_leaves_the_others_alone(hub, drive):
    """Settling it when the window is used up must not make Proton speak of the link that is closed:
    the hub would close the connection, and with it every other reader of the node."""
    proxy = Proxy(hub.ports["amqp_port"])
    source = drive("--window", str(64 << 10), port=proxy.port).up()
    source.read(partition=1)
    source.read(credit=1000)
    proxy.hold(DOWN)
    hub.send(count=200, raw="x" * 4000)  # on their way, as many as the window takes
    wait_until(lambda: hub.ask("/state")["partitions"][0]["sent"] > 0, LONG, "they are sent")
    source.say("stop 0")
    source.counters()  # it has heard us: the detach goes out before anything arrives
    proxy.heal()
    assert source.expect("ended 0").startswith("ended 0 closed")
    hub.send(partition=1)
    assert sequences(source.messages(1)) == [0]
    assert source.counters()["connects"] == 1
    proxy.close()


def test_messages_of_many_frames_arrive_whole(hub, drive):
    for size in (1, 5000, 70000, 256 * 1024):
        hub.send(raw="x" * size)
    source = drive("--window", str(64 << 10)).up()
    source.read()
    assert [message["bytes"] for message in source.messages(4)] == [1, 5000, 70000, 256 * 1024]


def test_a_higher_token_steals_and_a_lower_one_is_refused(hub, drive):
    hub.send(count=3)
    old = drive(node="old").up()
    new = drive(node="new").up()
    old.read(token=10)
    old.messages(3)
    new.read(token=11)
    new.messages(3)
    line = old.next()
    assert line.startswith("ended 0 stolen") and "epoch" in line and "new" in line
    old.say("read 0 10 earliest 10")
    assert old.expect("ended 0").startswith("ended 0 stolen")
    hub.send()
    assert sequences(new.messages(1)) == [3]
    assert old.counters()["stolen"] == 2


@pytest.mark.parametrize("condition, end", [
    ("amqp:link:detach-forced", "lost"), ("amqp:internal-error", "lost"),
    ("com.microsoft:server-busy", "busy"), ("amqp:resource-limit-exceeded", "busy"),
    ("amqp:unauthorized-access", "refused"), ("com.microsoft:entity-disabled", "refused"),
    ("amqp:not-found", "not_found"), ("amqp:link:stolen", "stolen"), ("x:unheard-of", "lost")])
def test_a_detach_ends_one_reader_for_its_reason(hub, drive, condition, end):
    hub.send(partition=1)
    source = drive().up()
    source.read(partition=0)
    source.read(partition=1)
    source.messages(1)
    hub.fault(kind="detach", partition="0", condition=condition)
    line = source.next()
    assert line.startswith(f"ended 0 {end} ") and condition in line
    hub.send(partition=1)
    assert sequences(source.messages(1)) == [1]
    source.read(partition=0, token=2)


def test_positions_and_partitions_that_do_not_exist(hub, drive):
    hub.send(count=3)
    source = drive().up()
    for position in ("after:99999999", "after:it's", "after:"):
        source.say(f"read 0 1 {position} 10")
        assert source.expect("ended").startswith("ended 0 bad_offset"), position
    source.say("read 77 1 earliest 10")
    assert source.expect("ended").startswith("ended 77 not_found")
    assert source.counters()["failures"] == 0


def test_a_reader_opened_too_early_is_told(hub, drive):
    hub.process.send_signal(signal.SIGSTOP)  # so early it is
    try:
        source = drive()
        source.say("read 0 1 earliest 10")
        assert "ended 0 lost" in source.expect("ended")
    finally:
        hub.process.send_signal(signal.SIGCONT)
    source.up()


def test_a_dropped_connection_comes_back_and_nothing_is_lost(hub, drive):
    hub.send(count=3)
    source = drive().up()
    source.read()
    last = source.messages(3)[-1]["offset"]
    hub.fault(kind="drop_connections")
    assert source.next().startswith("ended 0 lost")
    assert source.next().startswith("down ")
    hub.send(count=2)
    source.up()
    source.read(position=f"after:{last}", token=2)
    assert sequences(source.messages(2)) == [3, 4]


def test_a_hub_that_is_away_is_tried_with_patience(hub, drive):
    source = drive().up()
    hub.stop()
    source.expect("down")
    time.sleep(3)
    wait_until(lambda: source.counters()["failures"] >= 2, LONG, "it tries again")
    assert source.counters()["failures"] <= 30, "full jitter: quick at first, then slower"
    hub.start()
    source.up()


def test_a_stopped_reader_hears_nothing_more(hub, drive):
    source = drive().up()
    source.read(credit=100000)
    hub.ask("/generate", {"devices": 50, "rate": 5000})
    source.expect("message")
    source.say("stop 0")
    source.expect("ended 0 closed")
    assert not [line for line in source.silent(0.3) if line.startswith("message")]
    hub.ask("/stop", {})


def test_a_wrong_key_is_a_refusal_with_a_hint_and_no_hurry(drive):
    source = drive(key="d3Jvbmc=")
    line = source.expect("down")
    assert "refuses our token" in line and "401" in line and "Check the policy's key" in line
    assert "d3Jvbmc" not in line
    source.is_refused_with_patience(3)
    assert not [text for text in source.log if "d3Jvbmc" in text]


def test_a_refusal_that_ends_is_over_before_a_node_gives_up(hub, drive):
    """Which it does after 15 s without its hub; the third try comes after 6 s at the latest."""
    hub.fault(kind="token", status=401, seconds=FOR_EVER)
    source = drive()
    assert "401" in source.expect("down")
    assert "401" in source.expect("down")
    hub.lift(kind="token")
    lifted = time.monotonic()
    source.up()
    assert source.counters()["failures"] <= source.most_refusals(lifted)

    def waits_ms():
        return [int(wait) for line in source.log for wait in re.findall(r"retry_ms=(\d+)", line)]
    wait_until(lambda: len(waits_ms()) >= 2, LONG, "it has said how long it waits")
    assert sum(waits_ms()[:2]) <= 6000


def test_a_hub_that_does_not_exist_is_a_refusal(drive):
    source = drive(hub="other")
    assert "(status 40" in source.expect("down")
    source.is_refused_with_patience(2)


def test_tokens_are_renewed_before_they_expire(hub, drive):
    source = drive("--token-lifetime", "20").up()  # the first ones are renewed after 15 s
    source.read()
    for number in range(22):
        hub.send()
        assert sequences(source.messages(1)) == [number]
        time.sleep(1)
    assert source.counters()["failures"] == 0
    source.read(partition=1)


def test_a_hub_that_falls_silent_is_left(hub, drive):
    source = drive("--idle-ms", "3000").up()
    source.read()
    assert source.silent(5) == []  # it speaks often enough, though there is nothing to send
    # stopped by its own pid: the socket stays open and nobody answers
    hub.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        assert source.next().startswith("ended 0 lost")
        print(f"left after {time.monotonic() - began:.1f} s")
        assert "silent" in source.expect("down")
    finally:
        hub.process.send_signal(signal.SIGCONT)
    source.up()


IMPATIENT_PEER = """
import sys
from proton.handlers import MessagingHandler
from proton.reactor import Container


class Peer(MessagingHandler):
    def on_start(self, event):
        event.container.listen("127.0.0.1:" + sys.argv[1])
        print("listening", flush=True)

    def on_connection_bound(self, event):
        event.transport.idle_timeout = 3.0


Container(Peer()).run()
"""


def test_a_peer_that_wants_to_hear_of_us_does(tmp_path):
    """It ends the connection after three seconds of silence, and nothing is to be said."""
    pytest.importorskip("proton")
    held = ports.reserve()
    port = ports.number(held)
    (tmp_path / "peer.py").write_text(IMPATIENT_PEER)
    with subprocess.Popen([sys.executable, tmp_path / "peer.py", str(port)],
                          stdout=subprocess.PIPE, text=True) as peer:
        try:
            assert peer.stdout.readline() == "listening\n"
            source = Source(f"Endpoint=sb://127.0.0.1:{port};SharedAccessKeyName=a;"
                            "SharedAccessKey=b;EntityPath=c;UseDevelopmentEmulator=true")
            assert source.silent(7) == []
            assert source.counters()["failures"] == 0
            source.quit()
        finally:
            peer.terminate()


@pytest.mark.parametrize("connection, why", [
    ("", "empty"), ("Endpoint=sb://localhost/;SharedAccessKeyName=a;SharedAccessKey=tops3cret",
                    "EntityPath is missing")])
def test_a_connection_string_that_cannot_work_is_refused_at_once(connection, why):
    done = subprocess.run([str(DRIVER)], env={**os.environ, "SOURCE_CONNECTION": connection},
                          capture_output=True, text=True, timeout=LONG, check=False)
    assert done.returncode == 1 and done.stdout.startswith("refused ") and why in done.stdout
    assert "tops3cret" not in done.stdout + done.stderr


def test_a_burst_on_every_partition_arrives_in_order(hub, drive):
    hub.ask("/generate", {"devices": 50, "events": 20000, "preload": True})
    ends = {entry["id"]: entry["last"] for entry in hub.ask("/state")["partitions"]}
    source = drive().up()
    for partition in ends:
        source.say(f"read {partition} 1 earliest 20000")
    seen = {partition: -1 for partition in ends}
    while seen != ends:
        line = source.next()
        if line.startswith("message"):
            _, partition, sequence = line.split(" ", 3)[:3]
            assert int(sequence) == seen[partition] + 1
            seen[partition] = int(sequence)


def test_readers_come_and_go_under_load(hub, drive):
    """Whatever the order of events: each reader ends once, and nothing is delivered after that."""
    chance = random.Random(7)
    source = drive("--window", str(64 << 10)).up()
    hub.ask("/generate", {"devices": 50, "rate": 20000})
    last = {str(partition): "earliest" for partition in range(4)}
    reading = {}  # partition -> wanted, stopping
    state = {"up": True, "token": 0}

    def hear(line):
        word = line.split(" ")
        if word[0] == "message":
            assert reading[word[1]] != "stopping"
            last[word[1]] = f"after:{word[3]}"
        elif word[0] == "ended":
            del reading[word[1]]
        elif word[0] in ("up", "down"):
            state["up"] = word[0] == "up"
            assert state["up"] or not reading

    def listen():
        """Hears all up to the counters that were asked for, and gives them."""
        while not (line := source.next()).startswith("counters"):
            hear(line)
        return source.counters_of(line)

    def order(command):
        """Hears all that the driver said before it ran the command: it reads both lines at once,
        and answers the second. What it says from here on, it says knowing of the command."""
        source.say(f"{command}\ncounters")
        return listen()

    def read(partition):
        state["token"] += 1
        order(f"read {partition} {state['token']} {last[partition]} 2000")
        reading[partition] = "wanted"

    def stop(partition):
        order(f"stop {partition}")
        if partition in reading:
            reading[partition] = "stopping"

    def listen_now():
        source.say("counters")
        return listen()

    def enough():
        counters = listen_now()
        return counters["messages"] > 1000 and counters["failures"] > 0

    began = time.monotonic()
    hub.fault(kind="drop_connections")  # once at least; the others come by chance
    while time.monotonic() < began + 6 or not enough():
        if time.monotonic() > began + 5 * LONG:
            raise TimedOut(f"enough is read, and over more than one connection: {listen_now()}")
        while not source.lines.empty():
            hear(source.lines.get())
        for partition in last:
            if partition not in reading and state["up"] and chance.random() < 0.5:
                read(partition)
            elif reading.get(partition) == "wanted" and chance.random() < 0.05:
                source.say(f"{chance.choice(['hold', 'release', 'credit'])} {partition} 2000")
        if chance.random() < 0.05 and reading:
            stop(chance.choice(list(reading)))
        if chance.random() < 0.01 and state["up"]:
            hub.fault(kind=chance.choice(["drop_connections", "detach"]), partition="1",
                      condition="amqp:link:detach-forced")
        time.sleep(0.005)
