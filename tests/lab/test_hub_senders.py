"""Where events come from: system properties, sizes, and messages out of JSON files."""

import json
import urllib.error

import pytest
from hub_client import reader, take, wait_until

OPC_UA = {
    "body": [{"MessageId": "0", "MessageType": "ua-data", "Messages": [{"Value": 21.50}]}],
    "enqueuedTime": "Fri Mar 18 2022 13:52:42 GMT+0100",
    "properties": {"$$ContentType": "application/x-network-message-json-v1"},
}


def first(hub, partition=0):
    return take(reader(hub.connect(), partition, at="offset > '-1'"), 1)[0]


def test_system_properties_are_where_a_client_looks_for_them(hub):
    hub.post("/send", device="d", partition=0, raw="<a/>", properties={"colour": "blue", "n": 3},
             system={
                 "message-id": "m-1", "correlation-id": "c-1", "user-id": "u", "to": "/devices/d",
                 "content-type": "application/xml", "content-encoding": None,
                 "creation-time": 1_700_000_000_123, "absolute-expiry-time": 1_800_000_000_000,
                 "group-id": "g", "group-sequence": 7, "subject": "s",
                 "dt-subject": "thermostat", "dt-dataschema": "dtmi:com:example;1",
                 "iothub-message-source": "twinChangeEvents",
                 "iothub-connection-auth-generation-id": None,
                 "iothub-creation-time-utc": 1_700_000_000_000,
                 "iothub-interface-name": "lab", "number": 5, "flag": True,
             })
    message = first(hub)
    assert (message.id, message.correlation_id) == ("m-1", "c-1")
    assert bytes(message.user_id) == b"u" and message.address == "/devices/d"
    assert (message.subject, message.group_id, message.group_sequence) == ("s", "g", 7)
    assert message.content_type == "application/xml"
    assert str(message.content_encoding) == "None"  # Proton's reading of null
    assert message.creation_time == 1_700_000_000.123 and message.expiry_time == 1_800_000_000
    annotations = {str(k): v for k, v in message.annotations.items()}
    assert annotations["dt-subject"] == "thermostat"
    assert annotations["dt-dataschema"] == "dtmi:com:example;1"
    assert annotations["iothub-message-source"] == "twinChangeEvents"
    assert int(annotations["iothub-creation-time-utc"]) == 1_700_000_000_000
    assert "iothub-connection-auth-generation-id" not in annotations
    assert annotations["number"] == 5 and annotations["flag"] is True
    assert annotations["iothub-connection-device-id"] == "d"
    assert message.properties == {"colour": "blue", "n": 3}
    assert hub.log()[0][4:] == ["d", "", "<a/>"]


def test_what_is_not_given_stays_as_usual(hub):
    hub.post("/send", device="d", partition=0, raw="1", system={"dt-subject": "c"})
    message = first(hub)
    assert message.content_type == "application/json" and message.content_encoding == "utf-8"
    assert message.annotations["iothub-message-source"] == "Telemetry"
    assert message.annotations["iothub-connection-auth-generation-id"].isdigit()


def test_bodies_have_the_sizes_that_are_asked_for(hub):
    hub.fill(4000, devices=10, properties=3, size={"min": 200, "max": 1200})
    sizes = [len(line[6]) for line in hub.log()]
    assert min(sizes) >= 200 and max(sizes) <= 1200
    assert max(sizes) - min(sizes) > 900 and 650 < sum(sizes) / len(sizes) < 750
    body = json.loads(hub.log()[0][6])
    assert list(body) == ["seq", "p1", "p2", "pad"]
    hub.post("/generate", preload=True, events=1, devices=1, prefix="one", size={"min": 250_000})
    assert [len(line[6]) for line in hub.log() if line[4] == "one00000"] == [250_000]


def test_messages_are_replayed_with_their_properties(hub, tmp_path):
    (tmp_path / "01-exported.json").write_text(json.dumps(OPC_UA))
    (tmp_path / "02-plain.json").write_text('{ "a": 1.50 }\n')
    (tmp_path / "03-beside.json").write_text('{"body":1}')
    (tmp_path / "03-beside.properties.json").write_text(json.dumps({
        "device": "edge", "module": "publisher", "properties": {"k": "v"},
        "systemProperties": {"dt-subject": "c", "message-id": "m"},
    }))
    (tmp_path / "04-bad.json").write_text("{}")
    (tmp_path / "04-bad.properties.json").write_text("[]")
    hub.post("/replay", json_dir=str(tmp_path), rate=100)
    wait_until(lambda: not hub.state()["running"])
    assert (hub.state()["emitted"], hub.state()["skipped"]) == (3, 1)
    lines = {line[4]: line for line in hub.log()}
    assert json.loads(lines["01-exported"][6]) == OPC_UA["body"]
    assert '"Value":21.5' in lines["01-exported"][6]
    assert lines["02-plain"][6] == '{ "a": 1.50 }\\n'
    assert lines["edge"][5:] == ["publisher", '{"body":1}']
    connection = hub.connect()

    def event(device):
        line = lines[device]
        at = f"sequence-number >= '{line[1]}'"
        return take(reader(connection, int(line[0]), at=at), 1)[0]

    assert event("01-exported").properties == OPC_UA["properties"]
    assert event("edge").id == "m" and event("edge").annotations["dt-subject"] == "c"


def test_bad_senders_say_why(hub, tmp_path):
    for path, body in [
        ("/send", {"device": "d", "raw": "1", "system": []}),
        ("/send", {"device": "d", "raw": "1", "system": {"message-id": 1}}),
        ("/send", {"device": "d", "raw": "1", "system": {"creation-time": "now"}}),
        ("/send", {"device": "d", "raw": "1", "properties": "x"}),
        ("/generate", {"size": {"min": 5, "max": 4}}),
        ("/generate", {"size": {"max": 1 << 30}}),
        ("/replay", {"json_dir": str(tmp_path)}),
        ("/replay", {"json_dir": str(tmp_path), "dir": str(tmp_path)}),
    ]:
        with pytest.raises(urllib.error.HTTPError) as caught:
            hub.post(path, **body)
        assert json.load(caught.value)["error"]
    assert hub.state()["emitted"] == 0
