"""holdfast-lab thingworx: the REST surface, the faults and the ledger.

HOLDFAST_LAB names the binary.
"""

import concurrent.futures
import http.client
import json
import os
import select
import signal
import subprocess
import time
import urllib.parse

import pytest

from harness.waiting import wait_until

LAB = os.environ.get("HOLDFAST_LAB", "build/dev/tests/lab/holdfast-lab")
LONG = 60
TIME = 1_634_630_768_641
HEADERS = {
    "appKey": "key",
    "Content-Type": "application/json",
    "Accept": "application/json",
    "User-Agent": "holdfast/0.1.0 (node-a)",
}
TYPES = {
    "seq": "LONG", "i": "INTEGER", "p1": "NUMBER", "on": "BOOLEAN", "text": "STRING",
    "when": "DATETIME", "where": "LOCATION", "doc": "JSON", "table": "INFOTABLE",
}
SHAPE = {"fieldDefinitions": {
    name: {"name": name, "description": "", "baseType": kind, "ordinal": 0, "aspects": {}}
    for name, kind in (("name", "STRING"), ("time", "DATETIME"), ("value", "VARIANT"),
                       ("quality", "STRING"))}}


class Answer:
    def __init__(self, answer):
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read().decode()


class ThingWorx:
    def __init__(self, *options):
        self.process = subprocess.Popen([LAB, "thingworx", "--exit-with-parent", *options],
                                        stdout=subprocess.PIPE, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], LONG)
        assert ready, "the server does not start"
        ports = json.loads(self.process.stdout.readline())
        self.port = ports["port"]
        self.control_port = ports["control_port"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(LONG) == 0

    def rest(self, method, path, body=None, timeout=LONG, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            text = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
            sent = {key: value for key, value in {**HEADERS, **headers}.items() if value}
            connection.request(method, "/Thingworx" + path, text, sent)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def control(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=LONG)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def fault(self, kind, **more):
        answer = self.control("POST", "/fault", {"kind": kind, **more})
        assert answer.status == 200, answer.body

    def state(self):
        return json.loads(self.control("GET", "/state").body)

    def ledger(self, names=None):
        path = "/ledger" + (f"?names={names}" if names else "")
        return [line.split("\t") for line in self.control("GET", path).body.splitlines()]

    def update(self, thing, rows, **headers):
        return self.rest("POST", f"/Things/{thing}/Services/UpdatePropertyValues",
                         {"values": {"dataShape": SHAPE, "rows": rows}}, **headers)


def row(name, value, kind=None, time_ms=TIME, quality="GOOD"):
    return {"name": name, "time": time_ms, "quality": quality,
            "value": value if kind is None else {"value": value, "baseType": kind}}


@pytest.fixture
def twx():
    server = ThingWorx()
    assert server.control("POST", "/things", {"names": ["t1", "a b/ü"], "properties": TYPES}
                          ).status == 200
    yield server
    server.stop()


def test_values_are_accepted_and_stand_in_the_ledger(twx):
    answer = twx.update("t1", [row("seq", 1, "LONG"), row("p1", 21.5, "NUMBER", TIME + 1)])
    assert (answer.status, answer.body) == (200, "")
    lines = twx.ledger()
    assert [line[0] for line in lines] == ["1", "2"]
    assert [line[2:] for line in lines] == [["node-a", "t1", "seq", str(TIME), "1"],
                                            ["node-a", "t1", "p1", str(TIME + 1), "21.5"]]
    assert abs(int(lines[0][1]) / 1e6 - time.time()) < 60
    assert [line[4] for line in twx.ledger("p1,nothing")] == ["p1"]
    state = twx.state()
    assert (state["requests"], state["accepted_values"], state["refused"]) == (1, 2, {})


@pytest.mark.parametrize("text", ["1.10", "1e5", "-0.0", "69.88083514000000", "1E+2", "0"])
def test_numbers_keep_their_text(twx, text):
    body = json.dumps({"values": {"dataShape": SHAPE, "rows": [row("p1", "@")]}})
    answer = twx.rest("POST", "/Things/t1/Services/UpdatePropertyValues",
                      body.replace('"@"', text))
    assert answer.status == 200
    assert twx.ledger()[0][6] == text


def test_the_sender_is_the_node_or_the_whole_agent(twx):
    for agent in ("holdfast/0.1 (node-7)", "curl/7.88 (x)", None):
        assert twx.update("t1", [row("p1", 1)], **{"User-Agent": agent}).status == 200
    assert [line[2] for line in twx.ledger()] == ["node-7", "curl/7.88 (x)", "unknown"]


def test_headers_are_checked(twx):
    rows = [row("p1", 1)]
    assert twx.update("t1", rows, appKey=None).status == 401
    assert twx.update("t1", rows, **{"Content-Type": "text/plain"}).status == 403
    assert twx.update("t1", rows, Accept=None).status == 406
    assert twx.update("t1", rows, **{"Content-Type": "application/json; charset=utf-8"}
                      ).status == 200
    assert twx.state()["refused"] == {"401": 1, "403": 1, "406": 1}


def test_only_the_given_key_is_let_in(tmp_path):
    path = tmp_path / "key"
    path.write_text("s3cret\n")
    server = ThingWorx("--app-key-file", str(path))
    server.control("POST", "/things", {"names": ["t1"], "properties": TYPES})
    assert server.update("t1", [row("p1", 1)]).status == 401
    assert server.update("t1", [row("p1", 1)], appKey="s3cret").status == 200
    server.stop()


def test_an_unknown_thing_is_404(twx):
    answer = twx.update("nobody", [row("p1", 1)])
    assert (answer.status, answer.body) == (404, "Entity Not Found : [nobody]")
    assert twx.rest("GET", "/Things/nobody").status == 404
    assert twx.rest("GET", "/Things/t1").status == 200


def test_names_in_the_path_are_decoded(twx):
    assert twx.update(urllib.parse.quote("a b/ü", safe=""), [row("p1", 1)]).status == 200
    assert twx.ledger()[0][3] == "a b/ü"


@pytest.mark.parametrize("name, value, kind, fits", [
    ("p1", 1, None, True), ("p1", 1.5, "NUMBER", True), ("p1", 1, "INTEGER", True),
    ("p1", 1.5, "INTEGER", False), ("p1", "1", None, False), ("p1", True, "BOOLEAN", False),
    ("p1", None, None, False), ("p1", None, "NUMBER", False), ("p1", [1], None, False),
    ("i", 2147483647, "INTEGER", True), ("i", 2147483648, None, False), ("i", 1.5, None, False),
    ("i", 3.0, "NUMBER", True), ("i", -2147483648, "LONG", True),
    ("seq", 9223372036854775807, "LONG", True), ("seq", 9223372036854775808, None, False),
    ("seq", 0.5, "NUMBER", False), ("seq", -9223372036854775808, None, True),
    ("on", True, "BOOLEAN", True), ("on", "TRUE", None, True), ("on", 0, "NUMBER", True),
    ("on", {"x": 1}, None, False),
    ("text", "x", "STRING", True), ("text", "", None, True), ("text", 5, None, False),
    ("text", "x", "NUMBER", False),
    ("when", TIME, "DATETIME", True), ("when", str(TIME), None, True),
    ("when", "2015-08-24T10:26:51.000Z", "DATETIME", True), ("when", "yesterday", None, False),
    ("where", {"latitude": 1.0, "longitude": 2, "elevation": 3, "units": "WGS84"}, "LOCATION",
     True),
    ("where", {"latitude": 1.0, "longitude": 2}, None, True), ("where", "12.0,14.0,16", None, True),
    ("where", "12.0,14.0", None, True), ("where", "12.0", None, False),
    ("where", {"latitude": 1.0}, None, False),
    ("doc", {"a": 1}, None, True), ("doc", {"value": 1, "other": 2}, "JSON", True),
    ("doc", [1, 2], None, True), ("doc", "x", None, False),
    ("table", {"dataShape": {"fieldDefinitions": {}}, "rows": []}, "INFOTABLE", True),
    ("table", {"rows": []}, None, False),
    ("p1", 1, "DOUBLE", False),
])
def test_base_types(twx, name, value, kind, fits):
    answer = twx.update("t1", [row(name, value, kind)])
    assert answer.status == (200 if fits else 500), answer.body
    if not fits:
        assert answer.body.startswith("Unable to Invoke Service UpdatePropertyValues on t1 : ")
    assert len(twx.ledger()) == (1 if fits else 0)


def test_one_bad_row_refuses_all(twx):
    rows = [row("seq", 1), row("nothing", 1), row("p1", 1)]
    answer = twx.update("t1", rows)
    assert answer.status == 500 and "no such property [nothing]" in answer.body
    assert twx.ledger() == []
    assert twx.control("POST", "/settings", {"apply": "rows_before"}).status == 200
    assert twx.update("t1", rows).status == 500
    assert [line[4] for line in twx.ledger()] == ["seq"]


def values(rows=None, shape=SHAPE, **more):
    return {"values": {"dataShape": shape, "rows": rows or [row("p1", 1)], **more}}


def without(field):
    return {"fieldDefinitions": {key: value for key, value in SHAPE["fieldDefinitions"].items()
                                 if key != field}}


WRONG = {"fieldDefinitions": {**SHAPE["fieldDefinitions"],
                              "time": {"name": "time", "baseType": "STRING"}}}


@pytest.mark.parametrize("body, status", [
    (values(), 200),
    (values(name="x", description="", created=1), 200),
    (values([{"name": "p1", "value": 1}], without("time")), 200),
    (values([{"name": "p1", "value": 1, "time": "2015-08-24T10:26:51.000Z"}]), 200),
    (values(shape=without("name")), 500),
    (values(shape=without("time")), 500),
    (values(shape=without("quality")), 500),
    (values(shape=WRONG), 500),
    (values(shape={}), 500),
    (values(other=1), 500),
    (values([{"name": "p1"}]), 500),
    (values([{"value": 1}]), 500),
    (values([{"name": 5, "value": 1}]), 500),
    (values([{"name": "p1", "value": 1, "time": "soon"}]), 500),
    (values([{"name": "p1", "value": 1, "time": 1.5}]), 500),
    (values([{"name": "p1", "value": 1, "quality": 1}]), 500),
    (values([{"name": "p1", "value": 1, "extra": 1}]), 500),
    (values(["p1"]), 500),
    ({"values": {"rows": [row("p1", 1)]}}, 500),
    ({"values": {"dataShape": SHAPE}}, 500),
    ({"values": []}, 500),
    ({"other": {}}, 500),
    ({}, 500),
    ([], 500),
    ("", 400),
    ("nothing", 400),
    ('{"values":', 400),
    (json.dumps(values()) + "x", 400),
    (json.dumps(values()).replace('"value": 1', '"value": NaN'), 400),
    (json.dumps(values()).replace('"value": 1', '"value": 01'), 400),
    (json.dumps(values()).replace('"p1"', '"p\n1"'), 400),
    (json.dumps(values()).replace('"GOOD"', '"G\\q"'), 400),
    (json.dumps(values()).encode().replace(b"GOOD", b"GO\xc3"), 400),
    (json.dumps(values()).replace('"value": 1', '"value": ' + "[" * 5000 + "]" * 5000), 400),
])
def test_the_shape_of_the_body_is_checked(twx, body, status):
    answer = twx.rest("POST", "/Things/t1/Services/UpdatePropertyValues", body)
    assert answer.status == status, answer.body
    assert len(twx.ledger()) == (1 if status == 200 else 0)


def test_escaped_names_are_the_same_names(twx):
    body = json.dumps(values()).replace('"p1"', '"\\u0070\\u0031"')
    assert twx.rest("POST", "/Things/t1/Services/UpdatePropertyValues", body).status == 200
    assert twx.ledger()[0][4] == "p1"


def test_text_is_kept_and_escaped_in_the_ledger(twx):
    body = json.dumps(values([row("text", "a\tb\\c\u00e9")]), ensure_ascii=False)
    assert twx.rest("POST", "/Things/t1/Services/UpdatePropertyValues", body.encode()
                    ).status == 200
    assert twx.ledger()[0][6] == r'"a\\tb\\\\cé"'


def test_an_older_value_does_not_become_current(twx):
    twx.update("t1", [row("p1", 2, time_ms=TIME + 10), row("p1", 1, time_ms=TIME)])
    current = json.loads(twx.control("GET", "/things/t1").body)["properties"]["p1"]
    assert current == {"baseType": "NUMBER", "value": 2, "time": TIME + 10, "quality": "GOOD"}
    assert len(twx.ledger()) == 2
    answer = twx.rest("GET", "/Things/t1/Properties/p1")
    assert json.loads(answer.body)["rows"] == [{"p1": 2}]


def test_plain_properties(twx):
    assert twx.rest("PUT", "/Things/t1/Properties/p1", {"p1": 34.4}).status == 200
    assert twx.rest("PUT", "/Things/t1/Properties/*", {"i": 1, "text": "x"}).status == 200
    assert twx.rest("PUT", "/Things/t1/Properties/p1", {"i": 1}).status == 400
    assert twx.rest("PUT", "/Things/t1/Properties/no", {"no": 1}).status == 404
    assert twx.rest("GET", "/Things/t1/Properties/no").status == 404
    found = json.loads(twx.rest("GET", "/Things/t1/Properties/*").body)["rows"][0]
    assert (found["p1"], found["i"], found["text"], found["seq"]) == (34.4, 1, "x", None)
    assert abs(int(twx.ledger()[0][5]) / 1000 - time.time()) < 60


def test_things_can_be_made_over_rest(twx):
    entities = "/Resources/EntityServices/Services"
    wish = {"name": "new", "thingTemplateName": "GenericThing"}
    assert twx.rest("POST", f"{entities}/CreateThing", wish).status == 200
    assert twx.rest("POST", f"{entities}/CreateThing", wish).status == 500
    assert twx.rest("POST", f"{entities}/CreateThing", {"name": "x"}).status == 404
    assert twx.update("new", [row("p1", 1)]).status == 500
    assert twx.rest("POST", "/Things/new/Services/EnableThing", {}).status == 200
    assert twx.rest("POST", "/Things/new/Services/RestartThing", "").status == 200
    wish = {"name": "p1", "type": "NUMBER"}
    assert twx.rest("POST", "/Things/new/Services/AddPropertyDefinition", wish).status == 200
    assert twx.rest("POST", "/Things/new/Services/AddPropertyDefinition", wish).status == 403
    assert twx.update("new", [row("p1", 1)]).status == 500, "it is in force after a restart"
    assert twx.rest("POST", "/Things/new/Services/RestartThing", {}).status == 200
    assert twx.update("new", [row("p1", 1)]).status == 200
    answer = twx.rest("POST", "/Things/new/Services/Nonsense", {})
    assert answer.status == 500 and "No service handler defined" in answer.body
    assert twx.rest("GET", "/Things/new/Services/EnableThing").status == 405
    assert twx.rest("GET", "/Nonsense").status == 404


def test_things_that_cannot_be_made_and_those_that_are_not_known_everywhere_yet(twx):
    create = "/Resources/EntityServices/Services/CreateThing"
    assert twx.rest("POST", create, {"name": "x", "thingTemplateName": "No"}).status == 404
    twx.control("POST", "/settings", {"create": False})
    wish = {"name": "new", "thingTemplateName": "RemoteThing"}
    assert twx.rest("POST", create, wish).status == 403
    twx.control("POST", "/settings", {"create": True, "model_sync_ms": 3600000})
    assert twx.rest("POST", create, wish).status == 200
    assert twx.rest("POST", create, wish).status == 500
    assert twx.rest("POST", "/Things/new/Services/EnableThing", {}).status == 404


def test_a_permissive_thing_takes_any_property(twx):
    twx.control("POST", "/things", {"prefix": "device-", "count": 2, "permissive": True,
                                    "properties": {"seq": "LONG"}})
    rows = [row("seq", 1), row("x", 1.5, "NUMBER"), row("y", "s", "STRING")]
    assert twx.update("device-00001", rows).status == 200
    assert twx.update("device-00001", [row("x", "s", "NUMBER")]).status == 500
    assert twx.update("device-00001", [row("seq", "s")]).status == 500
    assert twx.update("device-00002", rows).status == 404


def test_ready_and_health(twx):
    assert twx.rest("GET", "/ready", appKey=None, Accept=None).status == 200
    assert twx.rest("GET", "/health", appKey=None).status == 200
    twx.fault("not_ready")
    assert twx.rest("GET", "/ready").status == 503
    assert twx.rest("GET", "/health").status == 200
    assert twx.update("t1", [row("p1", 1)]).status == 200


def test_status_faults(twx):
    rows = [row("p1", 1)]
    twx.fault("status", status=503, retry_after=7, count=1)
    answer = twx.update("t1", rows)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
    assert twx.update("t1", rows).status == 200
    twx.fault("status", status=429, body="slow down")
    answer = twx.update("t1", rows)
    assert (answer.status, answer.body) == (429, "slow down")
    assert twx.rest("GET", "/ready").status == 200
    assert twx.control("DELETE", "/fault").status == 200
    assert twx.update("t1", rows).status == 200
    twx.fault("status", status=200, html=True)
    answer = twx.update("t1", rows)
    assert answer.status == 200 and "<html" in answer.body
    assert "text/html" in answer.headers["Content-Type"]
    assert twx.control("DELETE", "/fault").status == 200
    assert twx.update("t1", rows).status == 200
    assert len(twx.ledger()) == 3
    assert twx.state()["refused"] == {"429": 1, "503": 1}
    twx.fault("status", status=503, seconds=0.3)
    wait_until(lambda: twx.update("t1", rows).status == 200, LONG, "the fault ends by itself")


def test_faults_on_one_thing_or_property_or_value(twx):
    twx.control("POST", "/things", {"names": ["t2"], "properties": TYPES})
    twx.fault("status", status=500, thing="t2")
    assert twx.update("t1", [row("p1", 1)]).status == 200
    assert twx.update("t2", [row("p1", 1)]).status == 500
    twx.control("DELETE", "/fault")
    twx.fault("status", status=500, property="p1", value="66")
    assert twx.update("t1", [row("seq", 66), row("p1", 1)]).status == 200
    assert twx.update("t1", [row("seq", 1), row("p1", 1664)]).status == 500
    assert twx.update("t1", [row("seq", 1)]).status == 200
    assert len(twx.ledger()) == 4


def test_a_starting_platform_answers_404_to_everything(twx):
    twx.fault("starting")
    assert twx.rest("GET", "/ready").status == 404
    answer = twx.update("t1", [row("p1", 1)])
    assert answer.status == 404 and "<html" in answer.body
    assert twx.control("DELETE", "/fault").status == 200
    assert twx.rest("GET", "/ready").status == 200
    assert twx.update("t1", [row("p1", 1)]).status == 200


def test_latency_delays_every_answer(twx):
    twx.fault("latency", ms=300)
    for thing, status in (("t1", 200), ("nobody", 404)):
        start = time.monotonic()
        assert twx.update(thing, [row("p1", 1)]).status == status
        assert time.monotonic() - start >= 0.3


def test_requests_in_flight_are_counted(twx):
    twx.fault("hang")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(twx.update, "t1", [row("p1", 1)]) for _ in range(3)]
        answers.append(pool.submit(twx.update, "nobody", [row("p1", 1)]))
        try:
            wait_until(lambda: twx.state()["in_flight"] == 4, LONG, "four requests hang")
        finally:
            twx.control("DELETE", "/fault")
        assert all(answer.exception() is not None for answer in answers)
    state = twx.state()
    assert (state["max_in_flight"], state["max_in_flight_per_thing"], state["in_flight"]) == (
        4, 3, 0)


def test_a_lost_reply_has_applied(twx):
    twx.fault("lost_reply", count=1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        twx.update("t1", [row("p1", 1)])
    assert len(twx.ledger()) == 1
    assert twx.update("t1", [row("p1", 1)]).status == 200


def test_a_closed_connection_has_not_applied(twx):
    twx.fault("close", count=1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        twx.update("t1", [row("p1", 1)])
    assert twx.ledger() == []


def test_a_hanging_request_is_never_answered(twx):
    twx.fault("hang")
    with pytest.raises(TimeoutError):
        twx.update("t1", [row("p1", 1)], timeout=0.3)
    with pytest.raises(TimeoutError):
        twx.update("t1", [row("p1", 1)], timeout=0.3)
    wait_until(lambda: twx.state()["hanging"] == 2, LONG, "both have arrived")
    assert twx.state()["in_flight"] == 2
    twx.control("DELETE", "/fault")
    assert twx.update("t1", [row("p1", 1)]).status == 200
    assert (twx.state()["in_flight"], twx.state()["hanging"]) == (0, 0)
    assert len(twx.ledger()) == 1
    start = time.monotonic()
    twx.fault("hang", seconds=1)
    try:
        twx.update("t1", [row("p1", 1)])
        assert time.monotonic() - start >= 1, "it came too late to hang"
    except (http.client.RemoteDisconnected, ConnectionResetError):
        assert time.monotonic() - start >= 1
    assert twx.update("t1", [row("p1", 1)]).status == 200
    twx.fault("hang")
    with pytest.raises(TimeoutError):
        twx.update("t1", [row("p1", 1)], timeout=0.3)


def test_the_ledger_can_be_emptied_and_streamed_while_it_grows(twx):
    rows = [row("p1", i) for i in range(5000)]
    for _ in range(10):
        assert twx.update("t1", rows).status == 200
    reader = http.client.HTTPConnection("127.0.0.1", twx.control_port, timeout=LONG)
    reader.request("GET", "/ledger")
    answer = reader.getresponse()
    begin = answer.read(1000)
    assert twx.control("DELETE", "/ledger").status == 200
    assert twx.update("t1", [row("p1", 7)]).status == 200
    lines = (begin + answer.read()).decode().splitlines()
    reader.close()
    assert len(lines) == 50000 and lines[-1].endswith("\t4999")
    assert [line[0] for line in twx.ledger()] == ["1"]
    gone = http.client.HTTPConnection("127.0.0.1", twx.control_port, timeout=LONG)
    for _ in range(10):
        assert twx.update("t1", rows).status == 200
    gone.request("GET", "/ledger")
    gone.sock.close()
    gone.close()
    assert len(twx.ledger()) == 50001


@pytest.mark.parametrize("path, body", [
    ("/things", {}), ("/things", {"names": "x"}), ("/things", {"prefix": "x"}),
    ("/things", {"names": ["x"], "properties": {"p": "NONSENSE"}}),
    ("/things", {"names": ["x"], "properties": []}), ("/things", []), ("/things", None),
    ("/fault", {}), ("/fault", {"kind": "nonsense"}), ("/fault", {"kind": "status"}),
    ("/fault", {"kind": "latency"}), ("/fault", {"kind": "hang", "secnods": 1}),
    ("/fault", None), ("/settings", {"apply": "x"}),
])
def test_bad_control_requests_are_refused(twx, path, body):
    answer = twx.control("POST", path, body)
    assert answer.status == 400 and "error" in json.loads(answer.body)


def test_unknown_control_paths(twx):
    assert twx.control("GET", "/nothing").status == 404
    assert twx.control("GET", "/things/nobody").status == 404


def test_large_bodies(twx):
    rows = [row("text", "x" * 1000) for _ in range(10000)]
    assert twx.update("t1", rows).status == 200
    assert twx.state()["accepted_values"] == 10000


def test_a_killed_server_goes_on_with_its_ledger_and_its_things(tmp_path):
    things, ledger = tmp_path / "things", tmp_path / "ledger"
    things.write_text(json.dumps({"prefix": "t", "count": 2, "properties": TYPES}))
    options = ("--things-file", str(things), "--ledger-file", str(ledger))
    server = ThingWorx(*options)
    assert server.update("t00000", [row("text", "a\tb\\\n"), row("p1", 1.50)]).status == 200
    before = server.ledger()
    server.process.kill()
    server.process.wait()
    with ledger.open("a") as file:
        file.write("3\t17")  # a line that was never finished: nobody was answered
    server = ThingWorx(*options)
    assert server.ledger() == before
    assert server.update("t00001", [row("p1", 2)]).status == 200
    assert [line[0] for line in server.ledger()] == ["1", "2", "3"]
    assert len(ledger.read_text().splitlines()) == 3
    server.control("DELETE", "/ledger")
    assert ledger.read_text() == ""
    server.stop()


def test_bad_usage_is_refused(tmp_path):
    bad = tmp_path / "bad"
    bad.write_text("no ledger\n")
    for options in (["--port", "x"], ["--nonsense"], ["extra"],
                    ["--app-key-file", str(tmp_path / "none")], ["--ledger-file", str(bad)],
                    ["--things-file", str(bad)], ["--address", "nowhere"]):
        done = subprocess.run([LAB, "thingworx", *options], capture_output=True, timeout=LONG)
        assert done.returncode == 2
