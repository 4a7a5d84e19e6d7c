"""The switches of the hub: what the service may do in one way or another."""

import json
import pathlib
import subprocess
import urllib.error

import pytest
from hub_client import (
    KEY, LAB, Hub, ask, put_token, read, reader, refused, sequences, source, take, token,
)
from proton import Delivery, Link, uint
from proton.handlers import MessagingHandler
from proton.reactor import Container

SETTINGS = [line.split("\t") for line in subprocess.run(
    [LAB, "hub", "--settings"], capture_output=True, text=True, check=True).stdout.splitlines()]


def test_settings_are_set_all_or_none(hub):
    defaults = {name: values[0] for name, *values in SETTINGS}
    assert json.loads(hub.get("/settings")) == defaults
    for body in ({"token_status": "201"}, {"no_such": "x"}, {"reply": None},
                 {"reply": "camel", "offsets": "x"}):
        with pytest.raises(urllib.error.HTTPError) as caught:
            hub.post("/settings", **body)
        assert json.load(caught.value)["error"]
    assert json.loads(hub.get("/settings")) == defaults
    changed = {name: values[-1] for name, *values in SETTINGS}
    assert hub.post("/settings", **changed) == changed
    assert json.loads(hub.get("/settings")) == changed


def test_settings_of_the_command_line():
    hub = Hub("--set", "reply=camel", "--set", "offsets=prefixed")
    shown = json.loads(hub.get("/settings"))
    assert shown["reply"] == "camel" and shown["offsets"] == "prefixed"
    assert hub.stop() == 0
    for bad in ("reply", "reply=other", "other=x"):
        done = subprocess.run([LAB, "hub", "--set", bad], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 2 and "bad option" in done.stderr


def test_every_setting_is_documented():
    text = pathlib.Path(__file__).with_name("README.md").read_text()
    for name, *values in SETTINGS:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        assert all(f"`{value}`" in row for value in values), row


def test_token_status(locked):
    locked.post("/settings", token_status="202")
    connection = locked.connect()
    assert put_token(connection, "") == 202
    assert put_token(connection, "", key="b3RoZXI=") == 401
    assert reader(connection)


def test_token_scope(locked):
    locked.post("/settings", token_scope="exact")
    connection = locked.connect()
    path = "/ConsumerGroups/$Default/Partitions/0"
    assert put_token(connection, "") == 200
    assert refused(lambda: reader(connection)).condition == "amqp:unauthorized-access"
    assert put_token(connection, path, given=token("sb://localhost:5672/telemetry")) == 401
    assert put_token(connection, path) == 200
    assert reader(connection)
    assert read(connection, "eventhub").properties["status-code"] == 401
    assert put_token(connection, "/$management") == 200
    assert read(connection, "eventhub").properties["status-code"] == 200


@pytest.mark.parametrize("condition", dict((n, v) for n, *v in SETTINGS)["lower_epoch"])
def test_lower_epoch(hub, condition):
    hub.post("/settings", lower_epoch=condition)
    connection = hub.connect()
    assert reader(connection, epoch=5)
    error = refused(lambda: reader(connection, epoch=4))
    assert error.condition == condition and "epoch" in str(error)


@pytest.mark.parametrize("condition", dict((n, v) for n, *v in SETTINGS)["bad_offset"])
def test_bad_offset(hub, condition):
    hub.post("/settings", bad_offset=condition)
    error = refused(lambda: reader(hub.connect(), at="offset > '99'"))
    assert error.condition == condition and "The supplied offset '99' is invalid" in str(error)


@pytest.mark.parametrize("condition", dict((n, v) for n, *v in SETTINGS)["unknown_partition"])
def test_unknown_partition(hub, condition):
    hub.post("/settings", unknown_partition=condition)
    error = refused(lambda: reader(hub.connect(), partition=99))
    assert error.condition == condition
    assert (condition == "amqp:not-found") != ("between 0 and 7" in str(error))
    other = source(0, hub="other")
    assert refused(lambda: hub.connect().create_receiver(other)).condition == "amqp:not-found"


@pytest.mark.parametrize("form, kind", [
    ("int_port", int), ("uint_port", uint), ("text_port", str), ("address", None)])
def test_redirect(form, kind):
    hub = Hub("--iothub", "lab.azure-devices.net", "--set", f"redirect={form}")
    error = refused(lambda: hub.connect().create_receiver("messages/events/$management"))
    info = {str(name): value for name, value in error.link.remote_condition.info.items()}
    assert info["address"] == f"amqp://localhost:{hub.port}/telemetry/$management"
    assert ("hostname" in info) == ("port" in info) == (kind is not None)
    if kind:
        assert isinstance(info["port"], kind) and int(info["port"]) == hub.port
    assert hub.stop() == 0


def test_reply(locked):
    locked.post("/settings", reply="camel")
    connection = locked.connect()
    given = token("sb://localhost:5672/telemetry")
    request = {"operation": "put-token", "type": "servicebus.windows.net:sastoken",
               "name": "sb://localhost:5672/telemetry"}
    reply = ask(connection, "$cbs", request, given).properties
    assert reply["statusCode"] == 200 and reply["statusDescription"] == "OK"
    reply = read(connection, "eventhub", hub="other").properties
    assert reply["statusCode"] == 404 and reply["errorCondition"] == "amqp:not-found"


def test_partition_ids(hub):
    hub.post("/settings", partition_ids="list")
    ids = read(hub.connect(), "eventhub").body["partition_ids"]
    assert isinstance(ids, list) and ids == [str(i) for i in range(8)]


def test_offsets(hub):
    hub.post("/settings", offsets="prefixed")
    for i in range(3):
        hub.post("/send", device="d", partition=0, raw=str(i))
    connection = hub.connect()
    messages = take(reader(connection, at="offset > '-1'"), 3)
    offsets = [message.annotations["x-opt-offset"] for message in messages]
    assert [text[:2] for text in offsets] == ["1:"] * 3
    assert sequences(take(reader(connection, at=f"offset > '{offsets[0]}'"), 2)) == [1, 2]
    body = read(connection, "partition", partition="0").body
    assert body["last_enqueued_offset"] == offsets[-1]
    assert refused(lambda: reader(connection, at="offset > '1:99999'"))


class Taker(MessagingHandler):
    """Reads two events; settles the first, and sees whether the hub hears of it."""

    def __init__(self, url):
        super().__init__(auto_accept=False, prefetch=2)
        self.url = url
        self.modes, self.settled = [], []

    def on_start(self, event):
        event.container.create_receiver(event.container.connect(
            self.url, allowed_mechs="ANONYMOUS"), source(0))

    def on_link_opened(self, event):
        self.modes.append(event.link.remote_snd_settle_mode)

    def on_message(self, event):
        self.settled.append(event.delivery.settled)
        event.delivery.update(Delivery.ACCEPTED)
        event.delivery.settle()
        if len(self.settled) == 2:
            event.connection.close()


@pytest.mark.parametrize("form", ["settled", "unsettled"])
def test_transfers(hub, form):
    hub.post("/settings", transfers=form)
    hub.post("/send", device="d", partition=0, raw="1", count=2)
    taker = Taker(f"127.0.0.1:{hub.port}")
    Container(taker).run()
    assert taker.settled == [form == "settled"] * 2
    assert taker.modes == [Link.SND_SETTLED if form == "settled" else Link.SND_UNSETTLED]


@pytest.mark.parametrize("form", ["given", "absent"])
def test_message_size(hub, form):
    hub.post("/settings", message_size=form)
    sizes = [reader(hub.connect()).link.remote_max_message_size,
             hub.connect().create_sender("$cbs").link.remote_max_message_size]
    assert [size > 0 for size in sizes] == [form == "given"] * 2


def test_mechanisms(tmp_path):
    key = tmp_path / "key"
    key.write_text(KEY)
    hub = Hub("--key-file", str(key), "--set", "mechanisms=MSSBCBS PLAIN ANONYMOUS EXTERNAL")
    assert put_token(hub.connect(), "") == 200
    assert hub.stop() == 0
