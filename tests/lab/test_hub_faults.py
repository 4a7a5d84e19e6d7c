"""What the hub can be made to do wrong, as the real service does it."""

import json
import time
import urllib.error

import pytest
from hub_client import (
    FOR_EVER, LONG, Hub, authority, put_token, read, reader, refused, sequences, take, wait_until,
)
from proton import ConnectionException, Message, ProtonException
from proton.utils import ConnectionClosed


def receivers(hub, partition=0):
    return hub.state()["partitions"][partition]["receivers"]


def test_links_and_connections_are_lost(hub):
    connection = hub.connect()
    receiver = reader(connection)
    hub.post("/fault", kind="detach", partition="0", condition="amqp:link:detach-forced")
    assert refused(lambda: receiver.receive(LONG)).condition == "amqp:link:detach-forced"
    receiver = reader(connection)
    began = time.monotonic()
    hub.post("/fault", kind="stall", seconds=1)
    hub.post("/send", device="d", partition=0, raw="1")
    take(receiver, 1)
    assert time.monotonic() - began >= 1
    hub.post("/fault", kind="drop_connections")
    with pytest.raises((ConnectionException, ProtonException)):
        receiver.receive(LONG)
    hub.post("/fault", kind="refuse", seconds=FOR_EVER)
    with pytest.raises((ConnectionException, ProtonException)):
        hub.connect()
    hub.lift("refuse")
    assert hub.connect()
    hub.post("/fault", kind="refuse", seconds=0.2)
    time.sleep(0.3)
    assert hub.connect()


def test_a_throttled_hub_is_busy(hub):
    for code, what in ((50002, "the entity is being throttled"), (50008, "the namespace")):
        connection = hub.connect()
        receiver = reader(connection)
        sender = connection.create_sender("telemetry")
        hub.post("/fault", kind="throttle", seconds=FOR_EVER, code=code)
        for call in (
            lambda: receiver.receive(LONG),
            lambda: sender.send(Message(body=b"1")),
            lambda: reader(connection),
            lambda: connection.create_sender("telemetry"),
        ):
            error = refused(call)
            assert error.condition == "com.microsoft:server-busy"
            assert what in str(error) and f"Error code : {code}." in str(error)
        reply = read(connection, "eventhub").properties
        assert reply["status-code"] == 503
        assert reply["error-condition"] == "com.microsoft:server-busy"
        hub.lift("throttle")
        assert reader(connection)
        assert read(connection, "eventhub").properties["status-code"] == 200
        connection.close()


def test_a_quota_lets_nobody_in_and_nobody_out(hub):
    connection = hub.connect()
    present = reader(connection, at="offset > '-1'")
    hub.post("/fault", kind="quota", seconds=FOR_EVER)
    for epoch in (None, 1):
        error = refused(lambda: reader(connection, epoch=epoch))
        assert error.condition == "amqp:resource-limit-exceeded"
    assert connection.create_sender("telemetry")
    hub.post("/send", device="d", partition=0, raw="1")
    assert sequences(take(present, 1)) == [0]
    hub.lift("quota")
    assert reader(connection)


@pytest.mark.parametrize("secure", [False, True])
def test_a_forced_close_says_why(tmp_path, secure):
    options = ("--tls-port", "0", "--tls-dir", str(tmp_path / "tls"))
    hub = Hub(*options)
    connection = hub.connect_tls(authority(tmp_path / "tls")) if secure else hub.connect()
    receiver = reader(connection)
    hub.post("/fault", kind="close")
    with pytest.raises(ConnectionClosed) as caught:
        receiver.receive(LONG)
    assert caught.value.condition == "amqp:connection:forced"
    assert "inactive for more than the allowed 240000 milliseconds" in str(caught.value)
    wait_until(lambda: hub.state()["connections"] == 0)
    receiver = reader(hub.connect())
    hub.post("/fault", kind="close", condition="amqp:internal-error", description="out of order")
    with pytest.raises(ConnectionClosed) as caught:
        receiver.receive(LONG)
    assert caught.value.condition == "amqp:internal-error" and "out of order" in str(caught.value)
    assert hub.stop() == 0


def test_latency_delays_every_answer(hub):
    connection = hub.connect()

    def reply_after():
        began = time.monotonic()
        assert read(connection, "eventhub").properties["status-code"] == 200
        return time.monotonic() - began

    for ms in (0, 150, 0):
        hub.post("/fault", kind="latency", ms=ms)
        if ms:
            assert reply_after() >= 2 * ms / 1000  # an attach and a request
        else:  # on a busy machine not always at once
            wait_until(lambda: reply_after() < 0.3)
    hub.fill(2000, devices=1)
    partition = int(hub.log()[0][0])
    hub.post("/fault", kind="latency", ms=20)
    assert sequences(take(reader(connection, partition, at="offset > '-1'", credit=500), 2000)) == [
        *range(2000)
    ]


def test_tokens_can_be_refused_on_demand(hub):
    connection = hub.connect()
    hub.post("/fault", kind="token", status=503, seconds=FOR_EVER)
    assert put_token(connection, "") == 503
    assert hub.state()["tokens_refused"] == 1
    hub.lift("token")
    assert put_token(connection, "") == 200


def test_an_offset_that_no_event_has(hub):
    for i in range(3):
        hub.post("/send", device="d", partition=0, raw=str(i))
    last = hub.log()[-1][2]
    connection = hub.connect()
    error = refused(lambda: reader(connection, at=f"offset > '{int(last) + 1}'"))
    assert error.condition == "com.microsoft:argument-error"
    assert (
        f"The supplied offset '{int(last) + 1}' is invalid. The last offset in the system is "
        f"'{last}'" in str(error)
    )
    error = refused(lambda: reader(connection, at="offset > 'no number'"))
    assert error.condition == "com.microsoft:argument-error"
    assert sequences(take(reader(connection, at="offset > '1'"), 1)) == [1]
    assert receivers(hub)


def test_bad_faults_say_why(hub):
    for body in (
        {"kind": "throttle", "code": 1},
        {"kind": "latency"},
        {"kind": "latency", "ms": -1},
        {"kind": "token", "status": 1},
        {"kind": "stall", "seconds": -1},
        {"kind": "detach", "partition": "99"},
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            hub.post("/fault", **body)
        assert json.load(caught.value)["error"]
