"""The Event Hubs source as Azure would treat it: TLS, the IoT Hub that redirects, every condition,
throttling, positions, properties, and messages without sense (source_kit.py, odd_hub.py)."""

import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
from source_kit import DRIVER, FOR_EVER, KEY, LONG, Hub, Proxy, Source, sequences

from harness import ports
from harness.waiting import wait_until

CONDITIONS = [line.split("\t") for line in subprocess.run(
    [str(DRIVER), "--conditions"], capture_output=True, text=True,
    check=True).stdout.splitlines()] if pathlib.Path(DRIVER).exists() else []


@pytest.fixture(name="hub")
def _hub(tmp_path):
    hub = Hub(tmp_path, "--tls-port", 0, "--tls-dir", tmp_path / "tls", "--iothub", "localhost")
    yield hub
    hub.stop()


@pytest.fixture(name="drive")
def _drive():
    """drive(connection string, ...) starts a driver."""
    made = []

    def make(connection, *options, **more):
        made.append(Source(connection, *options, **more))
        return made[-1]

    yield make
    for source in made:
        source.quit()


# --- TLS ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_reads_over_tls(hub, drive, host):
    hub.ask("/generate", {"devices": 50, "events": 20000, "preload": True})
    for size in (1, 70000, 700_000):
        hub.send(partition=1, raw="x" * size)
    ends = {part["id"]: part["last"] for part in hub.ask("/state")["partitions"]}
    source = drive(hub.secure_string(host), "--window", str(256 << 10),
                   authority=hub.authority).up()
    for partition in range(4):
        source.read(partition=partition, credit=ends[str(partition)] + 1)
        messages = source.messages(ends[str(partition)] + 1)
        assert sequences(messages) == list(range(ends[str(partition)] + 1))
        if partition == 1:
            assert [message["bytes"] for message in messages[-3:]] == [1, 70000, 700_000]
    assert source.counters()["failures"] == 0


def test_a_connection_over_tls_comes_back(hub, drive):
    hub.send(count=3)
    source = drive(hub.secure_string(), authority=hub.authority).up()
    source.read()
    last = source.messages(3)[-1]["offset"]
    for fault in ("drop_connections", "close"):
        hub.fault(kind=fault)
        assert source.next().startswith("ended 0 lost")
        line = source.next()
        assert line.startswith("down ") and (fault != "close" or "amqp:connection:forced" in line)
        source.up()
        source.read(position=f"after:{last}")
        hub.send()
        last = source.messages(1)[-1]["offset"]


def test_the_authorities_of_the_environment_are_heeded(hub, drive, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(hub.authority))
    drive(hub.secure_string()).up()


def test_a_hub_that_nobody_vouches_for_is_refused_without_haste(hub, drive):
    source = drive(hub.secure_string())
    line = source.expect("down")
    assert "is not trusted" in line and "issuer" in line
    source.is_refused_with_patience(3)


class TlsServer:
    """Shakes hands, and says nothing more."""

    def __init__(self, folder, name, **settings):
        self.certificate = folder / "server.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                        "-keyout", folder / "server.key", "-out", self.certificate],
                       check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, folder / "server.key")
        self.context.sni_callback = lambda _socket, asked, _context: self.asked.append(asked)
        for setting, value in settings.items():
            if setting == "ciphers":
                self.context.set_ciphers(value)
            else:
                setattr(self.context, setting, value)
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.kept = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                self.kept.append(self.listener.accept()[0])
                self.kept.append(self.context.wrap_socket(self.kept.pop(), server_side=True))
            except OSError:
                if self.listener.fileno() < 0:
                    return

    def string(self, host="localhost"):
        return (f"Endpoint=sb://{host}:{self.port};SharedAccessKeyName=a;SharedAccessKey=b;"
                "EntityPath=c")


def test_a_certificate_for_another_host_is_refused(tmp_path, drive):
    server = TlsServer(tmp_path, "elsewhere.test")
    source = drive(server.string(), authority=server.certificate)
    assert "ostname mismatch" in source.expect("down")
    assert set(server.asked) == {"localhost"}
    source = drive(server.string("127.0.0.1"), authority=server.certificate)
    assert "IP address mismatch" in source.expect("down")
    assert set(server.asked) == {"localhost", None}  # an address is no name
    server.listener.close()


@pytest.mark.filterwarnings("ignore:.*TLSv1:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*TLSv1_1:DeprecationWarning")
def test_old_tls_is_not_spoken(tmp_path, drive):
    server = TlsServer(tmp_path, "localhost", minimum_version=ssl.TLSVersion.TLSv1,
                       maximum_version=ssl.TLSVersion.TLSv1_1, ciphers="DEFAULT@SECLEVEL=0")
    source = drive(server.string(), authority=server.certificate)
    assert "cannot agree on TLS" in source.expect("down")
    server.listener.close()


def test_a_port_without_tls_is_explained(hub, drive):
    source = drive(hub.secure_string(port=hub.ports["amqp_port"]), authority=hub.authority)
    line = source.expect("down")
    assert "cannot agree on TLS" in line and "UseDevelopmentEmulator" in line


def test_a_file_of_authorities_that_cannot_be_read_is_refused(hub, tmp_path):
    (tmp_path / "none.pem").write_text("no certificate")
    for file in (tmp_path / "none.pem", tmp_path / "missing.pem"):
        done = subprocess.run([str(DRIVER)], capture_output=True, text=True, timeout=LONG,
                              env={"SOURCE_CONNECTION": hub.secure_string(),
                                   "SOURCE_CA_FILE": str(file)}, check=False)
        assert done.returncode == 1 and done.stdout.startswith("refused cannot read the cert")


def test_a_proxy_leads_to_iot_hub_and_endpoint(hub, drive):
    proxy = Proxy()
    hub.send(count=1000)
    source = drive(hub.service_string(), authority=hub.authority, proxy=f"http://{proxy.place}")
    source.up().read(credit=1000)
    assert sequences(source.messages(1000)) == list(range(1000))
    assert proxy.asked == [f"localhost:{hub.ports['tls_port']}"] * 2  # the IoT hub, the endpoint
    plain = drive(hub.connection_string(), proxy=proxy.place).up()
    plain.read(partition=1)
    hub.fault(kind="drop_connections")
    plain.expect("down")
    plain.up()
    proxy.listener.close()


def test_a_proxy_that_refuses_is_named(hub, drive):
    proxy = Proxy("403 Forbidden")
    source = drive(hub.secure_string(), authority=hub.authority, proxy=proxy.place)
    line = source.expect("down")
    assert "the proxy does not connect" in line and "403 Forbidden" in line
    source.is_refused_with_patience(2)
    proxy.listener.close()


# --- the IoT Hub --------------------------------------------------------------------------------

def test_the_endpoint_of_an_iot_hub_is_found(hub, drive):
    hub.send(count=2)
    source = drive(hub.service_string(), authority=hub.authority)
    assert source.expect("metadata").split()[1] == "localhost/telemetry"
    source.up().read()
    assert sequences(source.messages(2)) == [0, 1]


def test_a_wrong_key_of_an_iot_hub_is_a_refusal(hub, drive):
    source = drive(hub.service_string(key="d3Jvbmc="), authority=hub.authority)
    line = source.expect("down")
    assert "refuses our token" in line and "401" in line and "d3Jvbmc" not in line
    source.is_refused_with_patience(2)


def test_what_is_no_iot_hub_is_told(tmp_path, drive):
    hub = Hub(tmp_path, "--tls-port", 0, "--tls-dir", tmp_path / "tls")
    source = drive(hub.service_string(), authority=hub.authority)
    assert source.expect("down").startswith("down the ")
    source.quit()
    hub.stop()


def test_a_renamed_endpoint_is_followed(hub, drive):
    hub.send(count=3)
    source = drive(hub.service_string(), authority=hub.authority).up()
    source.read()
    source.messages(3)
    for number in (2, 3):
        hub.ask("/rename", {"hub": f"telemetry-{number}"})
        # not "not_found": nobody is to decline a partition that has moved
        assert source.expect("ended 0").startswith("ended 0 lost")
        assert source.expect("metadata").split()[1] == f"localhost/telemetry-{number}"
        source.up()
        hub.send(count=number)
        source.read(token=number)
        assert sequences(source.messages(number)) == list(range(number))


def test_an_iot_hub_that_names_the_old_endpoint_once_more_is_asked_again(hub, drive):
    """Whoever asks in the moment of the rename: the redirect knows better only a little later."""
    source = drive(hub.service_string(), authority=hub.authority).up()
    source.read()
    hub.ask("/rename", {"hub": "telemetry-2", "lag": 3})
    assert source.expect("ended 0").startswith("ended 0 lost")
    began = time.monotonic()
    assert source.expect("metadata").split()[1] == "localhost/telemetry-2"
    print(f"followed after {time.monotonic() - began:.1f} s")
    source.up()
    # at the start, three times in vain, and then, perhaps once more, for the new one
    assert hub.ask("/state")["redirected"] in (5, 6)


def test_an_old_endpoint_that_refuses_our_tokens_is_left_at_once(hub, drive):
    """After a rename they are good for nothing there: no fault of configuration, so no patience."""
    source = drive(hub.service_string(), authority=hub.authority).up()
    hub.ask("/rename", {"hub": "telemetry-2", "lag": 1})  # nobody reads: nobody is told
    source.say("refresh")
    assert "401" in source.expect("down")

    def losses():
        return [line for line in source.log if "source down" in line]
    wait_until(losses, LONG, "it says how long it waits")
    assert source.expect("metadata").split()[1] == "localhost/telemetry-2"
    source.up()
    assert all("level=warning" in line for line in losses()), losses()


def test_metadata_are_not_taken_from_an_endpoint_that_has_moved(hub, drive):
    source = drive(hub.service_string(), authority=hub.authority).up()
    hub.ask("/rename", {"hub": "telemetry-2", "keep": True})
    source.say("refresh")
    assert "has changed" in source.expect("down")
    assert source.expect("metadata").split()[1] == "localhost/telemetry-2"
    source.up()


def test_a_partition_that_an_iot_hub_never_had_is_not_found(hub, drive):
    """The endpoint is what it was, however often it is asked for: then it is final."""
    source = drive(hub.service_string(), authority=hub.authority).up()
    for token in range(1, 100):
        source.read(token=token)
        hub.fault(kind="detach", partition="0", condition="amqp:not-found")
        end = source.expect("ended").split()[2]
        if end != "lost":
            break
        time.sleep(0.5)  # the owner's back-off
    assert end == "not_found" and token > 2
    assert source.counters()["failures"] == 0
    # once at the start, then for a loss at most; six answers are what makes it final
    assert hub.ask("/state")["redirected"] <= 1 + max(token, 7)


def test_a_hub_made_anew_is_noticed(hub, drive):
    source = drive(hub.secure_string(), authority=hub.authority)
    created = int(source.expect("metadata").split()[2])
    source.up().read()
    hub.send(count=2)
    assert sequences(source.messages(2)) == [0, 1]
    hub.ask("/recreate", {})
    assert source.expect("ended 0").startswith("ended 0 lost")
    hub.fault(kind="drop_connections")
    assert int(source.expect("metadata").split()[2]) > created
    source.up().read(token=2)
    hub.send()
    assert sequences(source.messages(1)) == [0]


# --- conditions ---------------------------------------------------------------------------------

@pytest.mark.parametrize("name, text, end, meaning", CONDITIONS)
def test_every_condition_ends_a_reader_as_the_table_says(hub, drive, name, text, end, meaning):
    hub.send(partition=1)
    source = drive(hub.connection_string()).up()
    source.read(partition=0)
    source.read(partition=1)
    source.messages(1)
    hub.fault(kind="detach", partition="0", condition=name or "x:unheard-of",
              description=f"It says {text}.")
    line = source.next()
    assert line.startswith(f"ended 0 {end} ") and meaning in line and (name or "x:") in line
    hub.send(partition=1)
    assert sequences(source.messages(1)) == [1]  # the others go on


def test_throttling_is_waited_out(hub, drive):
    hub.send(count=2)
    source = drive(hub.connection_string()).up()
    source.read()
    last = source.messages(2)[-1]["offset"]
    began = time.monotonic()
    hub.fault(kind="throttle", seconds=FOR_EVER, code=50008)
    line = source.expect("ended 0")
    assert line.startswith("ended 0 busy") and "50008" in line and "short of CPU" in line
    hub.lift(kind="throttle")
    # the owner may be hasty, the source is not
    source.say(f"read 0 2 after:{last} 10")
    source.say("stop 0")
    assert source.next().startswith("ended 0 closed")
    source.say(f"read 0 2 after:{last} 10")
    hub.send()
    assert source.next() == "opened 0"
    assert sequences(source.messages(1)) == [2]
    took = time.monotonic() - began
    print(f"open again after {took:.1f} s")
    assert took >= 4
    counters = source.counters()
    assert counters["busy"] == 1 and counters["failures"] == 0


def test_a_hub_that_is_throttled_at_the_start_is_left_alone_for_a_while(hub, drive):
    hub.fault(kind="throttle", seconds=FOR_EVER, code=50002)
    source = drive(hub.connection_string())
    line = source.expect("down")
    assert "status 503" in line or "server-busy" in line
    hub.lift(kind="throttle")
    source.up()
    took = time.monotonic() - source.began
    print(f"up after {took:.1f} s")
    assert took >= 4


def test_a_quota_is_waited_out(hub, drive):
    source = drive(hub.connection_string()).up()
    hub.fault(kind="quota", seconds=FOR_EVER)
    source.say("read 0 1 earliest 10")
    assert source.expect("ended 0").startswith("ended 0 busy")
    hub.lift(kind="quota")
    source.read(token=2)


def test_a_slow_hub_is_no_reason_to_leave(hub, drive):
    hub.fault(kind="latency", ms=400)
    source = drive(hub.secure_string(), authority=hub.authority).up()
    hub.send(count=3)
    source.read()
    assert sequences(source.messages(3)) == [0, 1, 2]
    assert source.counters()["failures"] == 0


def test_a_refused_renewal_of_a_token_is_tried_again(hub, drive):
    lifetime = 30
    source = drive(hub.connection_string(), "--token-lifetime", str(lifetime)).up()
    source.read()
    hub.fault(kind="token", status=503, seconds=FOR_EVER)
    wait_until(lambda: hub.ask("/state")["tokens_refused"] > 0, LONG, "a renewal is refused")
    hub.lift(kind="token")
    time.sleep(max(0, source.began + lifetime + 2 - time.monotonic()))  # past the life of the first
    hub.send()
    assert sequences(source.messages(1)) == [0]
    assert source.counters()["failures"] == 0
    source.read(partition=1)


def test_a_renewal_that_is_refused_once_costs_no_partition(hub, drive):
    """The service may err: its readers are lost and not refused, and it is asked again soon."""
    source = drive(hub.connection_string(), "--token-lifetime", "20").up()
    source.read()
    hub.fault(kind="token", status=401, seconds=FOR_EVER)
    assert source.expect("ended 0").startswith("ended 0 lost")
    assert "401" in source.expect("down")
    hub.lift(kind="token")
    source.up()
    source.read(token=2)
    hub.send()
    assert sequences(source.messages(1)) == [0]


# --- positions ----------------------------------------------------------------------------------

def test_reads_from_a_sequence_number_and_from_a_time(hub, drive):
    hub.send(count=3)
    time.sleep(0.05)
    hub.send(count=2)
    source = drive(hub.connection_string()).up()
    source.read()
    source.messages(3)
    word = source.next().split(" ", 5)
    assert word[2] == "3"
    source.messages(1)
    for number, position in enumerate((f"time:{word[4]}", "sequence:3")):
        source.say("stop 0")
        source.expect("ended 0 closed")
        source.read(position=position, token=2 + number)
        assert sequences(source.messages(2)) == [3, 4], position
    source.say("stop 0")
    source.expect("ended 0 closed")
    source.read(position="sequence:0", token=9)
    assert sequences(source.messages(5)) == [0, 1, 2, 3, 4]


# --- what comes with an event -------------------------------------------------------------------

def test_properties_reach_the_owner(hub, drive):
    hub.send(module="edge", properties={"colour": "green", "line": "7"}, system={
        "message-id": "m-1", "correlation-id": "c-1", "content-type": "application/json",
        "content-encoding": "utf-8", "dt-subject": "thermostat1",
        "iothub-message-source": "twinChangeEvents"})
    source = drive(hub.connection_string(), "--details").up()
    source.read()
    source.messages(1)
    details = source.next()
    assert details.startswith("details 0 ")
    for part in ("module=edge", "type=application/json", "encoding=utf-8", "generation=",
                 "source=twinChangeEvents", 'auth={"', "subject=thermostat1", "id=m-1",
                 "correlation=c-1", "colour:'green'", "line:'7'"):
        assert f" {part}" in details, part


def annotations(sequence, offset):
    """The section of message annotations with these two."""
    members = (b"\xa3\x15x-opt-sequence-number\x54" + bytes([sequence]) + b"\xa3\x0cx-opt-offset"
               + b"\xa1" + bytes([len(offset)]) + offset)
    return b"\0\x53\x72\xc1" + bytes([len(members) + 1, 4]) + members


@pytest.fixture(name="odd")
def _odd(drive):
    """odd(messages ...) starts a peer that sends them as they are, and gives a source of it."""
    pytest.importorskip("proton")
    peers, held = [], []

    def make(*messages):
        held.append(ports.reserve())
        port = ports.number(held[-1])
        program = pathlib.Path(__file__).with_name("odd_hub.py")
        # pylint: disable-next=consider-using-with
        peers.append(subprocess.Popen(
            [sys.executable, program, str(port), *(message.hex() for message in messages)],
            stdout=subprocess.PIPE, text=True))
        assert peers[-1].stdout.readline() == "listening\n"
        return drive(f"Endpoint=sb://127.0.0.1:{port};SharedAccessKeyName=a;SharedAccessKey={KEY};"
                     "EntityPath=c;UseDevelopmentEmulator=true").up()

    yield make
    for peer in peers:
        peer.terminate()
        peer.wait(LONG)
        peer.stdout.close()


BODY = b"\0\x53\x75\xa0\x02{}"


def test_an_unreadable_message_with_a_place_is_handed_over_whole(odd):
    broken = annotations(1, b"200") + b"\0\x53\x75\xa0\x7fshort"
    source = odd(annotations(0, b"100") + BODY, broken, annotations(2, b"300") + BODY)
    source.read()
    lines = [source.next() for _ in range(3)]
    assert [line.split()[0:4] for line in lines] == [
        ["message", "0", "0", "100"], ["unreadable", "0", "1", "200"],
        ["message", "0", "2", "300"]]
    assert int(lines[1].split(" ")[7]) == len(broken)
    assert source.counters()["unreadable"] == 1


def test_a_message_without_a_place_stops_its_partition_and_is_not_skipped(odd):
    source = odd(annotations(0, b"100") + BODY, BODY, annotations(2, b"300") + BODY)
    source.read()
    source.messages(1)
    line = source.next()
    assert line.startswith("ended 0 bad_message") and "Nothing is skipped" in line
    source.say("read 0 2 earliest 10")
    assert source.silent(2) == []  # not again in haste, whoever asks
    source.say("stop 0")
    assert source.next().startswith("ended 0 closed")
    counters = source.counters()
    assert counters["messages"] == 1 and counters["failures"] == 0
