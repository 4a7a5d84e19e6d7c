"""What the tests of holdfast-lab hub share: a process of it, and a client that shares no code with
it (Qpid Proton for Python). HOLDFAST_LAB names the binary.
"""

import base64
import hashlib
import hmac
import json
import os
import select
import signal
import subprocess
import time
import urllib.parse
import urllib.request

import pytest
from proton import Described, Message, SSLDomain, symbol, ulong
from proton.reactor import Filter, LinkOption
from proton.utils import BlockingConnection, LinkDetached

LAB = os.environ.get("HOLDFAST_LAB", "build/dev/tests/lab/holdfast-lab")
KEY = "c2VjcmV0LW9mLXRoZS1sYWI="
LONG = 60
FOR_EVER = 600  # seconds of a fault that the test lifts
SELECTOR_CODE = ulong(0x0000468C00000004)


class Hub:
    """One process of the hub, and its control port."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [LAB, "hub", "--exit-with-parent", *options], stdout=subprocess.PIPE, text=True
        )
        ready, _, _ = select.select([self.process.stdout], [], [], LONG)
        assert ready, "the hub does not start"
        ports = json.loads(self.process.stdout.readline())
        self.port = ports["amqp_port"]
        self.tls_port = ports.get("tls_port")
        self.control = f"http://127.0.0.1:{ports['control_port']}"

    def get(self, path):
        with urllib.request.urlopen(self.control + path, timeout=LONG) as answer:
            return answer.read().decode()

    def post(self, path, **body):
        request = urllib.request.Request(self.control + path, json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=2 * LONG) as answer:
            return json.load(answer)

    def state(self):
        return json.loads(self.get("/state"))

    def log(self, query=""):
        return [line.split("\t") for line in self.get("/log" + query).splitlines()]

    def lift(self, kind):
        """Ends a fault that goes on for a time."""
        self.post("/fault", kind=kind, seconds=0)

    def fill(self, events, **more):
        self.post("/generate", preload=True, events=events, **more)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(LONG)
        self.process.stdout.close()
        return status

    def connect(self, **more):
        url = f"127.0.0.1:{self.port}"
        return BlockingConnection(url, timeout=LONG, allowed_mechs="ANONYMOUS", **more)

    def connect_tls(self, domain, host="localhost", **more):
        url = f"amqps://{host}:{self.tls_port}"
        more = {"timeout": LONG, "allowed_mechs": "ANONYMOUS", "ssl_domain": domain, **more}
        return BlockingConnection(url, **more)


def authority(tls_dir):
    """What a client needs that trusts the hub's own certificate authority."""
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    domain.set_trusted_ca_db(str(tls_dir / "ca.pem"))
    domain.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
    return domain


class Position(Filter):
    def __init__(self, expression):
        name = symbol("apache.org:selector-filter:string")
        super().__init__({name: Described(SELECTOR_CODE, expression)})


class Properties(LinkOption):
    def __init__(self, properties):
        self.properties = properties

    def apply(self, link):
        link.properties = self.properties


class Window(LinkOption):
    """Few frames at a time for the session of a link."""

    def apply(self, link):
        link.session.incoming_capacity = 4 * 65536


def source(partition, group="$Default", hub="telemetry"):
    return f"{hub}/ConsumerGroups/{group}/Partitions/{partition}"


def reader(connection, partition=0, at=None, epoch=None, credit=10, group="$Default", name=None):
    options = [Position(f"amqp.annotation.x-opt-{at}")] if at else []
    properties = {symbol("com.microsoft:receiver-name"): name or "reader"}
    if epoch is not None:
        properties[symbol("com.microsoft:epoch")] = epoch
    options.append(Properties(properties))
    name = f"{source(partition)}-{os.urandom(4).hex()}"
    return connection.create_receiver(
        source(partition, group), credit=credit, name=name, options=options
    )


def take(receiver, n, timeout=LONG):
    messages = []
    for _ in range(n):
        messages.append(receiver.receive(timeout))
    return messages


def sequences(messages):
    return [m.annotations["x-opt-sequence-number"] for m in messages]


def token(audience, key=KEY, expires=None, name="holdfast", decoded=False):
    """A shared access signature; `decoded`: with the key as an IoT Hub takes it."""
    secret = base64.b64decode(key) if decoded else key.encode()
    resource = urllib.parse.quote(audience, safe="")
    expiry = str(int(expires if expires is not None else time.time() + 3600))
    text = f"{resource}\n{expiry}".encode()
    digest = base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode()
    signature = urllib.parse.quote(digest, safe="")
    return f"SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={name}"


def ask(connection, node, properties, body):
    """One request to $cbs or $management, the way Microsoft's SDKs ask."""
    out = connection.create_sender(node)
    replies = connection.create_receiver(node, credit=1, name="replies", dynamic=False)
    out.send(Message(id="m1", reply_to="replies", address=node, properties=properties, body=body))
    reply = replies.receive(LONG)
    assert reply.correlation_id == "m1"
    out.close()
    replies.close()
    return reply


def put_token(connection, path, hub="telemetry", audience=None, **more):
    audience = audience or f"sb://localhost:5672/{hub}{path}"
    given = more.pop("given", None) or token(audience, **more)
    properties = {
        "operation": "put-token",
        "type": "servicebus.windows.net:sastoken",
        "name": audience,
    }
    return ask(connection, "$cbs", properties, given).properties["status-code"]


def read(connection, kind, hub="telemetry", **more):
    properties = {"operation": "READ", "name": hub, "type": f"com.microsoft:{kind}"}
    return ask(connection, "$management", {**properties, **more}, b"[]")


def refused(call):
    with pytest.raises(LinkDetached) as caught:
        call()
    return caught.value


def wait_until(condition, seconds=LONG):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "still not so"
        time.sleep(0.02)
