"""The IoT Hub in front of the event hub: redirect, its tokens, fail-over and re-creation."""

import json
import time
import urllib.error

import pytest
from hub_client import (
    KEY, LONG, Hub, authority, put_token, read, reader, refused, sequences, source, take, token,
)
from proton import Message
from proton.utils import LinkDetached

HOST = "lab.azure-devices.net"
EVENTS = "messages/events/$management"


@pytest.fixture
def iothub(tmp_path):
    key = tmp_path / "key"
    key.write_text(KEY)
    tls = ("--tls-port", "0", "--tls-dir", str(tmp_path / "tls"))
    running = Hub("--key-file", str(key), "--iothub", HOST, *tls)
    running.tls = tmp_path / "tls"
    yield running
    assert running.stop() == 0


def put_iothub_token(connection, **more):
    more = {"decoded": True, **more}
    return put_token(connection, "", audience=HOST, given=token(more.pop("sr", HOST), **more))


def redirect(connection, address=f"amqps://{HOST}/{EVENTS}"):
    error = refused(lambda: connection.create_receiver(address))
    info = error.link.remote_condition.info or {}
    return error.condition, {str(k): v for k, v in info.items()}


def test_a_reader_is_sent_to_the_event_hub(iothub):
    for port, connection in [
        (iothub.tls_port, iothub.connect_tls(authority(iothub.tls))),
        (iothub.port, iothub.connect()),
    ]:
        assert redirect(connection)[0] == "amqp:unauthorized-access"
        assert put_iothub_token(connection) == 200
        scheme = "amqps" if port == iothub.tls_port else "amqp"
        for address in (f"amqps://{HOST}/{EVENTS}", "/" + EVENTS, EVENTS):
            condition, info = redirect(connection, address)
            assert condition == "amqp:link:redirect"
            assert info["hostname"] == info["network-host"] == "localhost"
            assert info["port"] == port
            assert info["address"] == f"{scheme}://localhost:{port}/telemetry/$management"
            assert info["com.microsoft:tracking-id"]


def test_a_token_of_the_iot_hub_is_signed_with_the_decoded_key(iothub):
    connection = iothub.connect()
    assert put_iothub_token(connection, decoded=False) == 401
    assert put_iothub_token(connection, key="b3RoZXI=") == 401
    assert put_iothub_token(connection, expires=time.time() - 1) == 401
    assert put_iothub_token(connection, sr="other.azure-devices.net") == 401
    assert put_iothub_token(connection, sr=f"{HOST}/devices/d") == 401
    assert put_iothub_token(connection) == 200


def test_neither_token_is_good_for_the_other(iothub):
    connection = iothub.connect()
    assert put_iothub_token(connection) == 200
    assert refused(lambda: reader(connection)).condition == "amqp:unauthorized-access"
    assert read(connection, "eventhub").properties["status-code"] == 401
    other = iothub.connect()
    assert put_token(other, "") == 200
    assert redirect(other)[0] == "amqp:unauthorized-access"
    assert put_token(other, "", given=token("sb://localhost:5672/telemetry", decoded=True)) == 401


def test_both_may_have_one_host_name(tmp_path):
    key = tmp_path / "key"
    key.write_text(KEY)
    running = Hub("--key-file", str(key), "--iothub", "localhost")
    connection = running.connect()
    given = token("localhost:5671", decoded=True)
    assert put_token(connection, "", audience="localhost:5671", given=given) == 200
    assert redirect(connection, EVENTS)[0] == "amqp:link:redirect"
    assert refused(lambda: reader(connection)).condition == "amqp:unauthorized-access"
    assert put_token(connection, "") == 200
    assert reader(connection)
    assert running.stop() == 0


def test_without_an_iot_hub_there_is_no_redirect(hub):
    assert refused(lambda: hub.connect().create_receiver(EVENTS)).condition == "amqp:not-found"


def test_after_a_rename_the_old_name_is_unknown(iothub):
    connection = iothub.connect()
    assert put_token(connection, "") == 200 and put_iothub_token(connection) == 200
    iothub.fill(40, devices=4)
    created = read(connection, "eventhub").body["created_at"]
    receiver = reader(connection, at="offset > '-1'")
    sender = connection.create_sender("telemetry")
    iothub.post("/rename", hub="telemetry-2")
    with pytest.raises(LinkDetached) as caught:
        while True:
            receiver.receive(LONG)
    assert caught.value.condition == "amqp:not-found"
    assert refused(lambda: sender.send(Message(body=b"1"))).condition == "amqp:not-found"
    assert refused(lambda: reader(connection)).condition == "amqp:not-found"
    assert read(connection, "eventhub").properties["status-code"] in (401, 404)
    assert redirect(connection)[1]["address"].endswith("/telemetry-2/$management")
    new = source(0, hub="telemetry-2")
    assert refused(lambda: connection.create_receiver(new)).condition == "amqp:unauthorized-access"
    assert put_token(connection, "", hub="telemetry-2") == 200
    body = read(connection, "eventhub", hub="telemetry-2").body
    assert body["name"] == "telemetry-2" and body["created_at"] > created
    state = iothub.state()
    assert state["hub"] == "telemetry-2" and state["generation"] == 1
    assert all(p["last"] == -1 for p in state["partitions"])
    iothub.post("/send", device="d", partition=0, raw="new")
    message = take(connection.create_receiver(new), 1)[0]
    assert bytes(message.body) == b"new"
    assert message.annotations["x-opt-offset"] == "0"


def test_a_rename_may_keep_what_was_not_read(hub):
    hub.fill(40, devices=4)
    log = hub.log()
    hub.post("/rename", hub="telemetry-2", keep=True)
    assert hub.log() == log
    partition = int(log[0][0])
    receiver = hub.connect().create_receiver(source(partition, hub="telemetry-2"))
    assert sequences(take(receiver, 1)) == [0]
    assert hub.state()["generation"] == 0


def test_a_hub_made_anew_counts_anew(hub):
    for i in range(5):
        hub.post("/send", device="d", partition=0, raw=str(i))
    old = hub.log()[-1][2]
    connection = hub.connect()
    receiver = reader(connection, at="offset > '@latest'")
    created = read(connection, "eventhub").body["created_at"]
    hub.post("/recreate")
    assert refused(lambda: receiver.receive(LONG)).condition == "amqp:link:detach-forced"
    assert read(connection, "eventhub").body["created_at"] > created
    assert read(connection, "partition", partition="0").body["last_enqueued_offset"] == "-1"
    error = refused(lambda: reader(connection, at=f"offset > '{old}'"))
    assert error.condition == "com.microsoft:argument-error"
    assert f"'{old}' is invalid. The last offset in the system is '-1'" in str(error)
    receiver = reader(connection, at="offset > '-1'")
    hub.post("/send", device="d", partition=0, raw="new")
    assert sequences(take(receiver, 1)) == [0]


def test_the_check_still_sees_what_was_before(tmp_path):
    data = ("--data", str(tmp_path / "data"))
    running = Hub(*data)
    running.fill(50, devices=5)
    running.post("/recreate")
    running.fill(50, devices=5)
    running.post("/rename", hub="other")
    running.fill(50, devices=5)
    log = running.log()
    assert len(log) == running.state()["emitted"] == 150
    seqs = {}
    for line in log:
        seqs.setdefault(line[4], []).append(json.loads(line[6])["seq"])
    assert all(sorted(s) == list(range(1, 31)) for s in seqs.values())
    assert running.stop() == 0
    running = Hub(*data)
    assert running.log() == log
    state = running.state()
    assert (state["hub"], state["generation"]) == ("other", 2)
    running.fill(5, devices=5)
    assert max(json.loads(line[6])["seq"] for line in running.log()) == 31
    assert running.stop() == 0


def test_a_rename_needs_a_name(hub):
    for body in ({}, {"hub": "a/b"}, {"hub": ""}):
        with pytest.raises(urllib.error.HTTPError):
            hub.post("/rename", **body)
