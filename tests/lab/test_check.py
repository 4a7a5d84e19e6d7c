"""holdfast-lab check against small fake logs and ledgers with known faults: each must be found.

HOLDFAST_LAB names the binary.
"""

import http.client
import http.server
import json
import os
import select
import subprocess
import threading
import urllib.parse

import pytest

LAB = os.environ.get("HOLDFAST_LAB", "build/dev/tests/lab/holdfast-lab")
BASE_MS = 1_700_000_000_000


def escape(text):
    return (text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
            .replace("\r", "\\r"))


class Fake:
    """A hub's /log and a ThingWorx's /ledger, both on one port."""

    def __init__(self):
        self.log = []
        self.rows = []
        self.cut_short = False
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                names = urllib.parse.parse_qs(url.query).get("names")
                lines = {"/log": fake.log, "/ledger": fake.ledger(names)}.get(url.path)
                body = "".join(line + "\n" for line in lines or ()).encode()
                self.send_response(200 if lines is not None else 404)
                self.send_header("Content-Length", str(len(body) + (100 if fake.cut_short else 0)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def emit(self, device, body, partition=0, ms=None, module=""):
        sequence = len(self.log)
        ms = BASE_MS + sequence if ms is None else ms
        text = body if isinstance(body, str) else json.dumps(body)
        self.log.append("\t".join(map(str, (partition, sequence, sequence * 100, ms,
                                            escape(device), module, escape(text)))))
        return ms

    def accept(self, thing, ms, values, sender="node-a", us=None):
        """`values` maps a name to the JSON text of its value."""
        for name, text in values.items():
            self.rows.append([us or (ms * 1000 + 5), sender, thing, name, ms, text])

    def pair(self, device, seq, partition=0, **options):
        """An event that arrives as it should."""
        ms = self.emit(device, f'{{"seq":{seq},"p1":21.50,"p4":true,"p5":"ok"}}', partition)
        self.accept(device, ms, {"seq": str(seq), "p1": "21.50", "p4": "true", "p5": '"ok"'},
                    **options)
        return ms

    def ledger(self, names):
        wanted = names[0].split(",") if names else None
        return ["\t".join(map(str, (i + 1, us, sender, escape(thing), name, ms, escape(text))))
                for i, (us, sender, thing, name, ms, text) in enumerate(self.rows)
                if wanted is None or name in wanted]

    def check(self, *options, expect=None):
        done = subprocess.run([LAB, "check", "--hub", self.url, "--thingworx", self.url, *options],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode in (0, 1), done.stderr
        result = json.loads(done.stdout)
        if expect is not None:
            assert done.returncode == expect, result
        return result


@pytest.fixture
def fake():
    fake = Fake()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


def counts(result):
    keys = ("emitted", "delivered", "lost", "altered", "duplicates", "out_of_order", "excepted",
            "unchecked", "foreign")
    return {key: result[key] for key in keys if result[key]}


def test_all_is_well(fake):
    for seq in range(1, 51):
        for device in ("a", "b", "c"):
            fake.pair(device, seq)
    assert counts(fake.check(expect=0)) == {"emitted": 150, "delivered": 150}


def test_nothing_at_all(fake):
    assert counts(fake.check(expect=0)) == {}


def test_a_lost_event_is_found(fake):
    for seq in range(1, 10):
        fake.pair("a", seq, partition=3)
    fake.emit("a", '{"seq":10,"p1":1}', partition=3)
    result = fake.check(expect=1)
    assert counts(result) == {"emitted": 10, "delivered": 9, "lost": 1}
    assert result["lost_examples"] == [
        {"device": "a", "seq": 10, "partition": 3, "sequence": 9, "name": "p1"}]


def test_a_lost_member_is_found(fake):
    fake.pair("a", 1)
    ms = fake.emit("a", '{"seq":2,"p1":1,"p2":2}')
    fake.accept("a", ms, {"seq": "2", "p2": "2"})
    result = fake.check(expect=1)
    assert counts(result) == {"emitted": 2, "delivered": 1, "lost": 1}
    assert result["lost_examples"][0]["name"] == "p1"


def test_a_lost_member_is_found_though_its_twin_of_the_same_moment_arrived(fake):
    for seq in (1, 2):
        fake.emit("a", {"seq": seq, "p4": True}, ms=BASE_MS)
        fake.accept("a", BASE_MS, {"seq": str(seq)})
    fake.accept("a", BASE_MS, {"p4": "true"})
    assert counts(fake.check(expect=1)) == {"emitted": 2, "delivered": 1, "lost": 1}


@pytest.mark.parametrize("sent, accepted", [
    ("21.50", "21.5"), ("1", "1.0"), ("1e3", "1000"), ("69.88083514", "69.88083513999999"),
    ("true", '"true"'), ("1", '"1"'), ('"ok"', '"OK"'), ('"a\\tb"', '"a b"'),
])
def test_an_altered_value_is_found(fake, sent, accepted):
    ms = fake.emit("a", f'{{"seq":1,"p1":{sent}}}')
    fake.accept("a", ms, {"seq": "1", "p1": accepted})
    result = fake.check(expect=1)
    assert counts(result) == {"emitted": 1, "altered": 1}
    assert result["altered_examples"][0]["name"] == "p1"


def test_an_altered_seq_is_found(fake):
    ms = fake.emit("a", '{"seq":1,"p1":2}')
    fake.accept("a", ms, {"seq": "1.0", "p1": "2"})
    assert counts(fake.check(expect=1)) == {"emitted": 1, "altered": 1}


@pytest.mark.parametrize("sent, accepted", [
    ('"caf\\u00e9"', '"café"'), ('"a\\/b"', '"a/b"'), ('"\\ud83d\\ude00"', '"😀"'),
    ('"tab\\there"', '"tab\\u0009here"'), ('"back\\\\slash"', '"back\\\\slash"'),
])
def test_spelling_of_a_string_does_not_matter(fake, sent, accepted):
    ms = fake.emit("a", f'{{"seq":1,"p5":{sent}}}')
    fake.accept("a", ms, {"seq": "1", "p5": accepted})
    assert counts(fake.check(expect=0)) == {"emitted": 1, "delivered": 1}


def test_duplicates_are_counted_but_no_failure(fake):
    for seq in range(1, 6):
        fake.pair("a", seq)
    fake.rows += fake.rows[8:16]
    fake.rows += fake.rows[8:12]
    result = fake.check(expect=0)
    assert counts(result) == {"emitted": 5, "delivered": 5, "duplicates": 3}
    assert [example["seq"] for example in result["duplicate_examples"]] == [3, 4, 3]


def test_reordering_of_first_acceptances_is_found(fake):
    for seq in (1, 2, 3, 4):
        fake.pair("a", seq)
        fake.pair("b", seq)
    a = [row for row in fake.rows if row[2] == "a"]
    b = [row for row in fake.rows if row[2] == "b"]
    fake.rows = a[0:4] + a[8:12] + a[4:8] + a[12:16] + b
    result = fake.check(expect=1)
    assert counts(result) == {"emitted": 8, "delivered": 8, "out_of_order": 1}
    assert result["out_of_order_examples"][0]["seq"] == 2


def test_a_repeated_old_event_is_not_out_of_order(fake):
    for seq in (1, 2, 3):
        fake.pair("a", seq)
    fake.rows += fake.rows[0:4]
    assert counts(fake.check(expect=0)) == {"emitted": 3, "delivered": 3, "duplicates": 1}


def test_things_are_independent_of_each_other(fake):
    fake.pair("a", 5)
    fake.pair("b", 1)
    fake.pair("a", 6)
    assert counts(fake.check(expect=0)) == {"emitted": 3, "delivered": 3}


def test_a_value_on_the_wrong_thing_is_lost_and_foreign(fake):
    ms = fake.emit("a", '{"seq":1}')
    fake.pair("b", 7)
    fake.accept("b", ms, {"seq": "1"})
    assert counts(fake.check(expect=1)) == {
        "emitted": 2, "delivered": 1, "lost": 1, "foreign": 1, }


def test_foreign_values_are_counted(fake):
    fake.pair("a", 1)
    fake.accept("a", BASE_MS + 99, {"p1": "7", "seq": "99"})
    fake.accept("z", BASE_MS, {"q": "7"})
    assert counts(fake.check(expect=0)) == {"emitted": 1, "delivered": 1, "foreign": 3}


def test_listed_events_may_be_missing(fake, tmp_path):
    fake.pair("a", 1)
    fake.emit("a", '{"seq":2,"p1":1}')
    fake.emit("a", "not json", partition=4)
    ms = fake.emit("a", '{"seq":4,"p1":1,"p2":2}')
    fake.accept("a", ms, {"seq": "4", "p2": "2"})
    listed = tmp_path / "except"
    assert counts(fake.check(expect=1))["lost"] == 3
    listed.write_text("a\t1\na\t2\na\t#4:2\na\t4\nb\t9\n")
    assert counts(fake.check("--except", str(listed), expect=0)) == {
        "emitted": 4, "delivered": 1, "excepted": 3}


def test_events_without_seq_are_matched_by_time(fake):
    ms = fake.emit("a", '{"t":1.5,"u":"x"}')
    fake.accept("a", ms, {"t": "1.5", "u": '"x"'})
    fake.accept("a", ms, {"t": "1.5", "u": '"x"'})
    ms = fake.emit("a", '{"t":1.5,"u":"x"}')
    fake.accept("a", ms + 1, {"t": "1.5", "u": '"x"'})
    assert counts(fake.check(expect=1)) == {
        "emitted": 2, "delivered": 1, "lost": 1, "duplicates": 1, "foreign": 2}


def test_an_event_may_carry_its_own_time(fake):
    own = 1_372_896_000_000
    fake.emit("a", '{"seq":1,"timestamp":"2013-07-04 00:00:00","value":69.88083514}')
    fake.accept("a", own, {"seq": "1", "timestamp": '"2013-07-04 00:00:00"',
                           "value": "69.88083514"})
    assert counts(fake.check(expect=0)) == {"emitted": 1, "delivered": 1}


def test_nested_members_and_null_may_arrive_or_not(fake):
    ms = fake.emit("a", '{"seq":1,"n":null,"o":{"x":1},"l":[1]}')
    fake.accept("a", ms, {"seq": "1", "o": '{"x":1}'})
    fake.emit("a", "{}")
    assert counts(fake.check(expect=0)) == {"emitted": 2, "delivered": 1, "unchecked": 1}


def test_only_the_named_members_are_compared(fake):
    ms = fake.emit("a", '{"seq":1,"p1":1}')
    fake.accept("a", ms, {"seq": "1", "p1": "2"})
    fake.emit("a", '{"seq":2,"p1":1}')
    assert counts(fake.check("--names", "seq", expect=1)) == {
        "emitted": 2, "delivered": 1, "lost": 1}
    assert counts(fake.check("--names", "p1", expect=1)) == {
        "emitted": 2, "altered": 1, "lost": 1}


def test_the_things_name_follows_the_template(fake):
    ms = fake.emit("a\\b", '{"seq":1}', module="m")
    fake.accept("plant-a\\b.m", ms, {"seq": "1"})
    assert counts(fake.check("--thing-template", "plant-{device}.{module}", expect=0)) == {
        "emitted": 1, "delivered": 1}
    assert counts(fake.check(expect=1))["lost"] == 1


def test_first_acceptance_per_partition(fake, tmp_path):
    fake.pair("a", 1, partition=0, us=1000)
    fake.pair("a", 2, partition=0, us=2000)
    fake.pair("a", 3, partition=0, sender="node-b", us=2500)
    fake.pair("b", 1, partition=2, sender="node-b", us=1500)
    fake.pair("b", 2, partition=2, sender="node-b", us=3000)
    out = tmp_path / "result.json"
    result = fake.check("--since-us", "2000", "--not-sender", "node-a", "--json", str(out))
    assert result["first_accepted_us"] == {"0": 2500, "1": None, "2": 3000}
    assert json.loads(out.read_text()) == result
    assert fake.check()["first_accepted_us"] == {"0": 1000, "1": None, "2": 1500}


def run(*arguments):
    return subprocess.run([LAB, "check", *arguments], capture_output=True, text=True, timeout=120)


def test_no_result_is_status_2(fake):
    assert run().returncode == 2
    assert run("--hub", fake.url).returncode == 2
    assert run("--hub", fake.url, "--thingworx", fake.url, "--since-us", "x").returncode == 2
    assert run("--hub", "http://127.0.0.1:1", "--thingworx", fake.url).returncode == 2
    assert run("--hub", fake.url + "/nowhere", "--thingworx", fake.url).returncode == 2
    assert run("--hub", fake.url, "--thingworx", fake.url, "--except", "/nowhere").returncode == 2


def test_a_text_that_breaks_off_is_no_result(fake):
    fake.pair("a", 1)
    fake.cut_short = True
    done = run("--hub", fake.url, "--thingworx", fake.url)
    assert done.returncode == 2 and "cannot fetch" in done.stderr


@pytest.mark.parametrize("line", ["", "x", "0\t1\t2", "0\tx\t0\t1\ta\t\t{}", "-1\t1\t0\t1\ta\t\t{}"])
def test_a_line_that_cannot_be_read_is_no_result(fake, line):
    fake.log.append(line)
    assert run("--hub", fake.url, "--thingworx", fake.url).returncode == 2


class Server:
    """One of the lab's own servers."""

    def __init__(self, command):
        self.process = subprocess.Popen([LAB, command, "--exit-with-parent"],
                                        stdout=subprocess.PIPE, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        assert ready, "the server does not start"
        self.ports = json.loads(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.ports['control_port']}"

    def ask(self, port, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=60)
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        assert answer.status == 200, text
        return text

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0


def deliver(twx, device, rows):
    fields = (("name", "STRING"), ("time", "DATETIME"), ("value", "VARIANT"))
    shape = {"fieldDefinitions": {name: {"name": name, "baseType": kind} for name, kind in fields}}
    twx.ask("port", "POST", f"/Thingworx/Things/{device}/Services/UpdatePropertyValues",
            {"values": {"dataShape": shape, "rows": rows}}, appKey="k",
            Accept="application/json", **{"Content-Type": "application/json"})


def test_the_labs_own_servers_understand_each_other():
    hub, twx = Server("hub"), Server("thingworx")
    hub.ask("control_port", "POST", "/generate",
            {"devices": 5, "properties": 8, "events": 500, "preload": True})
    twx.ask("control_port", "POST", "/things",
            {"prefix": "device-", "count": 5, "permissive": True})
    rows = {}
    for line in hub.ask("control_port", "GET", "/log").splitlines():
        _, _, _, ms, device, _, body = line.split("\t")
        rows.setdefault(device, []).extend(
            {"name": name, "value": value, "time": int(ms)}
            for name, value in json.loads(body).items())
    command = [LAB, "check", "--hub", hub.url, "--thingworx", twx.url]
    for device in sorted(rows)[1:]:
        deliver(twx, device, rows[device])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert counts(json.loads(done.stdout)) == {"emitted": 500, "delivered": 400, "lost": 100}
    deliver(twx, "device-00000", rows["device-00000"])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert counts(json.loads(done.stdout)) == {"emitted": 500, "delivered": 500}
    hub.stop()
    twx.stop()
