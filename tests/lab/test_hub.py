"""Checks of holdfast-lab hub with a client that shares no code with it (Qpid Proton for Python).

HOLDFAST_LAB names the binary. Run with pytest; needs python3-qpid-proton.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error

import pytest
from hub_client import (
    KEY, LAB, LONG, Hub, Properties, Window, ask, put_token, read, reader, refused, sequences, source,
    take, token, wait_until,
)
from proton import Array, Data, Message, symbol


def test_events_are_read_in_order_with_their_annotations(hub):
    hub.fill(100, devices=3, properties=8)
    state = hub.state()
    partition = max(range(8), key=lambda i: state["partitions"][i]["last"])
    receiver = reader(hub.connect(), partition, at="offset > '-1'")
    messages = take(receiver, 20)
    assert sequences(messages) == list(range(20))
    first = messages[0]
    annotations = first.annotations
    assert annotations["iothub-connection-device-id"].startswith("device-0000")
    assert annotations["iothub-message-source"] == "Telemetry"
    assert annotations["iothub-connection-auth-generation-id"].isdigit()
    assert isinstance(annotations["x-opt-offset"], str)
    assert int(annotations["x-opt-enqueued-time"]) > 1_600_000_000_000
    assert first.content_type == "application/json"
    assert first.content_encoding == "utf-8"
    body = json.loads(bytes(first.body))
    assert list(body) == ["seq", "p1", "p2", "p3", "p4", "p5", "p6", "p7"]
    assert isinstance(body["p4"], bool) and isinstance(body["p5"], str)


def test_a_device_counts_on_over_runs_and_stays_in_its_partition(hub):
    hub.fill(20, devices=5)
    hub.fill(20, devices=5)
    seen = {}
    for partition, _, _, _, device, _, body in hub.log():
        seen.setdefault(device, []).append((partition, json.loads(body)["seq"]))
    assert len(seen) == 5
    for events in seen.values():
        assert [seq for _, seq in events] == list(range(1, 9))
        assert len({partition for partition, _ in events}) == 1


def test_reading_starts_where_the_selector_says(hub):
    for i in range(10):
        hub.post("/send", device="d", partition=0, raw=str(i))
        time.sleep(0.002)
    log = hub.log()
    offset, enqueued = log[4][2], log[4][3]
    connection = hub.connect()
    expected = {
        f"offset > '{offset}'": 5,
        f"offset >= '{offset}'": 4,
        "sequence-number > '4'": 5,
        "sequence-number >= '4'": 4,
        "sequence-number > '-1'": 0,
        f"enqueued-time > '{enqueued}'": 5,
        "offset > '-1'": 0,
    }
    for at, first in expected.items():
        receiver = reader(connection, at=at)
        assert sequences(take(receiver, 1)) == [first], at
        receiver.close()
    latest = reader(connection, at="offset > '@latest'")
    hub.post("/send", device="d", partition=0, raw="10")
    assert sequences(take(latest, 1)) == [10]


def test_a_position_behind_the_end_is_refused(hub):
    hub.post("/send", device="d", partition=0, raw="1")
    connection = hub.connect()
    error = refused(lambda: reader(connection, at="offset > '99999'"))
    assert error.condition == "com.microsoft:argument-error"
    assert "The supplied offset '99999' is invalid. The last offset in the system is '0'" in str(
        error
    )
    error = refused(lambda: reader(connection, at="sequence-number > '7'"))
    assert "The supplied sequence number '7' is invalid" in str(error)


def test_unknown_places_are_not_found(hub):
    connection = hub.connect()
    assert refused(lambda: reader(connection, 99)).condition == "amqp:not-found"
    nowhere = source(0, hub="other")
    assert refused(lambda: connection.create_receiver(nowhere)).condition == "amqp:not-found"


def test_a_bare_attach_reads_from_the_beginning(hub):
    hub.post("/send", device="d", partition=0, raw="1")
    assert sequences(take(hub.connect().create_receiver(source(0)), 1)) == [0]


def test_credit_is_honoured(hub):
    hub.fill(50, devices=1)
    partition = int(hub.log()[0][0])
    connection = hub.connect()
    receiver = reader(connection, partition, credit=0)

    def sent():
        return hub.state()["partitions"][partition]["sent"]

    receiver.link.flow(7)
    connection.wait(lambda: sent() >= 7)
    time.sleep(0.2)
    assert sent() == 7
    assert hub.state()["partitions"][partition]["receivers"][0]["credit"] == 0
    receiver.link.flow(5)
    connection.wait(lambda: sent() == 12)


def test_a_small_session_window_is_no_end(hub):
    hub.fill(500, devices=1)
    partition = int(hub.log()[0][0])
    connection = hub.connect(max_frame_size=65536)
    receiver = connection.create_receiver(source(partition), credit=400, options=Window())
    assert sequences(take(receiver, 500)) == list(range(500))


def test_a_higher_epoch_steals_and_a_lower_one_is_refused(hub):
    first, second = hub.connect(), hub.connect()
    loser = reader(first, at="offset > '-1'", epoch=5, name="old")
    reader(second, at="offset > '-1'", epoch=5, name="new")
    error = refused(lambda: loser.receive(LONG))
    assert error.condition == "amqp:link:stolen"
    assert "New receiver 'new' with higher epoch of '5' is created" in str(error)
    assert "receiver 'old' with epoch '5' is getting disconnected" in str(error)
    assert hub.state()["stolen"] == 1
    error = refused(lambda: reader(first, epoch=4))
    assert error.condition == "amqp:link:stolen"
    assert "with a higher epoch of '5' already exists" in str(error)
    error = refused(lambda: reader(first))
    assert "non-epoch receiver is not allowed" in str(error)
    reader(first, epoch=0, group="other")


def test_an_epoch_is_forgotten_when_nobody_is_attached(hub):
    connection = hub.connect()
    reader(connection, epoch=9).close()
    assert reader(connection, epoch=1)
    connection.close()
    other = hub.connect()
    wait_until(lambda: not hub.state()["partitions"][0]["receivers"])
    assert reader(other, epoch=0)


def test_at_most_five_readers_without_an_epoch(hub):
    connection = hub.connect()
    present = [reader(connection) for _ in range(5)]
    error = refused(lambda: reader(connection))
    assert error.condition == "amqp:resource-limit-exceeded"
    reader(hub.connect(), epoch=0)
    assert len(present) == 5
    wait_until(lambda: len(hub.state()["partitions"][0]["receivers"]) == 1)


def test_management_tells_about_hub_and_partition(hub):
    connection = hub.connect()
    reply = read(connection, "eventhub")
    assert reply.properties["status-code"] == 200
    assert reply.body["partition_count"] == 8
    assert isinstance(reply.body["partition_ids"], Array)
    assert list(reply.body["partition_ids"].elements) == [str(i) for i in range(8)]
    assert reply.body["partition_ids"].type == Data.STRING
    empty = read(connection, "partition", partition="3").body
    assert empty["is_partition_empty"] is True
    assert empty["last_enqueued_sequence_number"] == -1
    for i in range(3):
        hub.post("/send", device="d", partition=3, raw=str(i))
    body = read(connection, "partition", partition="3").body
    assert body["begin_sequence_number"] == 0
    assert body["last_enqueued_sequence_number"] == 2
    assert body["last_enqueued_offset"] == hub.log()[-1][2]
    assert body["is_partition_empty"] is False
    assert read(connection, "partition", partition="8").properties["status-code"] == 404
    assert read(connection, "nonsense").properties["status-code"] == 400


def test_tokens_are_checked(locked):
    connection = locked.connect()
    error = refused(lambda: reader(connection))
    assert error.condition == "amqp:unauthorized-access"
    assert read(connection, "eventhub").properties["status-code"] == 401
    path = "/ConsumerGroups/$Default/Partitions/0"
    assert put_token(connection, path, key="wrong") == 401
    assert put_token(connection, path, name="other") == 401
    assert put_token(connection, path, expires=time.time() - 1) == 401
    assert put_token(connection, path, given=token("sb://localhost:5672/telemetry/other")) == 401
    assert put_token(connection, path, given="SharedAccessSignature sr=&sig=&se=") == 401
    assert put_token(connection, path) == 200
    assert reader(connection, 0)
    assert refused(lambda: reader(connection, 1)).condition == "amqp:unauthorized-access"
    assert put_token(connection, "", given=token("sb://localhost:5672/telemetry")) == 200
    assert reader(connection, 1)
    assert read(connection, "eventhub").properties["status-code"] == 200


def test_an_expired_token_closes_its_links(locked):
    connection = locked.connect()
    assert put_token(connection, "", expires=time.time() + 5) == 200
    receiver = reader(connection)
    error = refused(lambda: receiver.receive(LONG))
    assert error.condition == "amqp:unauthorized-access"


def test_a_token_needs_its_type(locked):
    properties = {"operation": "put-token", "name": "sb://localhost/telemetry"}
    reply = ask(locked.connect(), "$cbs", properties, token("sb://localhost/telemetry"))
    assert reply.properties["status-code"] == 400
    assert reply.properties["status-description"].startswith("Property 'type'")


def test_events_that_a_client_sends_are_kept(hub):
    connection = hub.connect()
    sender = connection.create_sender("telemetry/Partitions/2")
    sent = Message(
        body=b'{"v":1}',
        inferred=True,
        properties={"colour": "blue"},
        annotations={symbol("x-opt-partition-key"): "k", symbol("x-opt-offset"): "forged"},
    )
    sender.send(sent)
    message = take(reader(connection, 2, at="offset > '-1'"), 1)[0]
    assert bytes(message.body) == b'{"v":1}'
    assert message.properties == {"colour": "blue"}
    assert message.annotations["x-opt-partition-key"] == "k"
    assert message.annotations["x-opt-offset"] == "0"
    sender = connection.create_sender("telemetry")
    for i in range(16):
        sender.send(Message(body=str(i).encode(), inferred=True))
    assert all(p["last"] >= 0 for p in hub.state()["partitions"])
    assert sorted(line[6] for line in hub.log() if line[6].isdigit()) == sorted(
        str(i) for i in range(16)
    )


def test_body_text_is_kept_and_escaped(hub):
    raw = '{"a":1.50,\t"b":\n"\\u00e9"'
    hub.post("/send", device="dev\tice", module="m1", raw=raw, partition=1, properties={"k": "v"})
    line = hub.log()[0]
    assert line[4:] == ["dev\\tice", "m1", '{"a":1.50,\\t"b":\\n"\\\\u00e9"']
    message = take(reader(hub.connect(), 1), 1)[0]
    assert bytes(message.body).decode() == raw
    assert message.annotations["iothub-connection-module-id"] == "m1"
    assert message.properties == {"k": "v"}


def test_replay_feeds_files_in_turn(hub, tmp_path):
    (tmp_path / "a.csv").write_text(
        "timestamp,value\n2013-07-04 00:00:00,69.88083514\nbad row\n2013-07-04 01:00:00,1.50\n"
    )
    (tmp_path / "b.csv").write_text("timestamp,value\n2014-01-01 00:00:00,251643.0\n")
    hub.post("/replay", dir=str(tmp_path), rate=0)
    wait_until(lambda: not hub.state()["running"])
    state = hub.state()
    assert (state["emitted"], state["skipped"]) == (3, 1)
    assert {(line[4], line[6]) for line in hub.log()} == {
        ("a", '{"seq":1,"timestamp":"2013-07-04 00:00:00","value":69.88083514}'),
        ("a", '{"seq":2,"timestamp":"2013-07-04 01:00:00","value":1.50}'),
        ("b", '{"seq":1,"timestamp":"2014-01-01 00:00:00","value":251643.0}'),
    }


def test_the_rate_is_kept(hub):
    hub.post("/generate", rate=1000, seconds=1, devices=10)
    wait_until(lambda: not hub.state()["running"])
    assert hub.state()["emitted"] == 1000
    hub.post("/generate", rate=5000, events=700)
    wait_until(lambda: not hub.state()["running"])
    assert hub.state()["emitted"] == 1700


def test_a_restart_keeps_everything(tmp_path):
    data = str(tmp_path / "data")
    running = Hub("--data", data)
    running.fill(300, devices=7)
    log = running.log()
    created = read(running.connect(), "eventhub").body["created_at"]
    assert running.stop(signal.SIGKILL) == -signal.SIGKILL
    torn = max((tmp_path / "data").glob("partition-*.log"), key=lambda p: p.stat().st_size)
    torn.write_bytes(torn.read_bytes() + b"\x01\x02\x03")
    running = Hub("--data", data)
    assert running.log() == log
    assert read(running.connect(), "eventhub").body["created_at"] == created
    running.fill(7, devices=7)
    last = {line[4]: json.loads(line[6])["seq"] for line in running.log()}
    assert sum(last.values()) == 307
    assert running.stop() == 0
    other = subprocess.run(
        [LAB, "hub", "--data", data, "--partitions", "4"], capture_output=True, text=True
    )
    assert other.returncode == 1 and "belongs to another hub" in other.stderr


def test_retention_forgets_the_oldest():
    running = Hub("--retain", "5000", "--partitions", "1")
    running.fill(20000)
    state = running.state()["partitions"][0]
    assert (state["begin"], state["last"]) == (15000, 19999)
    assert sequences(take(reader(running.connect(), at="offset > '-1'"), 2)) == [15000, 15001]
    assert len(running.log()) == 5000
    assert len(running.log("?from_sequence=19990")) == 10
    assert running.stop() == 0


def test_a_download_may_be_broken_off(hub):
    hub.fill(50000)
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", int(hub.control.rsplit(":", 1)[1]))) as s:
            s.sendall(b"GET /log HTTP/1.1\r\nHost: lab\r\n\r\n")
            assert s.recv(1000).startswith(b"HTTP/1.1 200")
    assert len(hub.log()) == 50000


def test_bad_requests_say_why(hub):
    for path, body in [
        ("/send", {}),
        ("/generate", {"devices": 0}),
        ("/fault", {"kind": "none"}),
        ("/replay", {"dir": "/nonexistent"}),
        ("/nowhere", {}),
    ]:
        with pytest.raises(urllib.error.HTTPError) as caught:
            hub.post(path, **body)
        assert caught.value.code == 400
        assert json.load(caught.value)["error"]


def test_nonsense_does_not_hurt(hub):
    for junk in [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x04",
        b"\xff" * 100,
        b"AMQP\x03\x01\x00\x00" + b"\x00\x00\x00\x09\x02\x01\x00\x00\x00" * 3,
    ]:
        with socket.create_connection(("127.0.0.1", hub.port), timeout=LONG) as s:
            try:
                s.sendall(junk)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass
            except OSError as error:  # it has left first
                assert not isinstance(error, TimeoutError)
    assert read(hub.connect(), "eventhub").properties["status-code"] == 200
