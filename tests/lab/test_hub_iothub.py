"""The IoT Hub in front of the event hub: redirect, its tokens, fail-over and re-creation."""

import time

import pytest
from hub_client import (
    KEY, Hub, authority, put_token, read, reader, refused, sequences, source, take, token,
)

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
