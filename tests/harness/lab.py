"""holdfast-lab from Python: the hub, ThingWorx, and the check that compares the two."""

import base64
import json
import secrets
import subprocess

from harness import http, place, ports
from harness.process import Child
from harness.waiting import wait_until


class _Server:
    """A lab server that prints one line of JSON with its ports once it listens."""

    name = None

    def __init__(self, run, stay=False):
        self.run = run
        self.stay = stay
        self.child = None
        self.held = {}
        self.ports = {}

    def arguments(self):
        raise NotImplementedError

    def port_names(self):
        raise NotImplementedError

    def start(self):
        if not self.held:
            self.held = {name: ports.reserve() for name in self.port_names()}
            self.ports = {name: ports.number(held) for name, held in self.held.items()}
        out = self.run.path / "log" / f"{self.name}.out"
        self.child = Child(self.name, [place.program("holdfast-lab"), self.name,
                                       *self.arguments()],
                           self.run.log(self.name), stdout=out, stay=self.stay)

        def listening():
            self.child.require_alive()
            text = out.read_text()
            return text if text.endswith("\n") else None

        self.ports = json.loads(wait_until(listening, 60, f"the lab's {self.name} listens"))
        return self

    def stop(self):
        return self.child.stop()

    @property
    def control(self):
        return f"http://127.0.0.1:{self.ports['control_port']}"

    def ask(self, path, body=None, method=None, timeout=120):
        method = method or ("GET" if body is None else "POST")
        return http.call(self.control + path, method, body, timeout)

    def state(self):
        return self.ask("/state")

    def fault(self, **what):
        return self.ask("/fault", what)


class Hub(_Server):
    """An Event Hubs-compatible hub; its log survives a restart, its ports stay the same.

    `form` is how nodes are told to reach it: "plain", "tls", or "iothub": over TLS by the name
    of the IoT hub, which redirects to the event hub.
    """

    name = "hub"

    def __init__(self, run, partitions=8, entity="telemetry", stay=False, form="plain"):
        super().__init__(run, stay)
        self.form = form
        self.partitions = partitions
        self.entity = entity
        self.folder = run.path / "data" / "hub"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key_file = run.path / "secrets" / "hub-key"
        self.key = base64.b64encode(secrets.token_bytes(32)).decode()
        self.key_file.write_text(self.key)
        self.key_file.chmod(0o600)

    def port_names(self):
        return ["amqp_port", "control_port"] + ([] if self.form == "plain" else ["tls_port"])

    def arguments(self):
        return ["--port", self.ports["amqp_port"],
                "--control-port", self.ports["control_port"], "--hub", self.entity,
                "--partitions", self.partitions, "--data", self.folder, "--key-name", "holdfast",
                "--key-file", self.key_file, *self._tls_arguments()]

    def _tls_arguments(self):
        if self.form == "plain":
            return []
        tls = ["--tls-port", self.ports["tls_port"], "--tls-dir", self.folder]
        return tls + (["--iothub", "localhost"] if self.form == "iothub" else [])

    @property
    def ca(self):
        """Whom clients must trust; None over plain TCP."""
        return None if self.form == "plain" else (self.folder / "ca.pem").read_text()

    @property
    def connection_string(self):
        if self.form == "iothub":
            return (f"HostName=localhost:{self.ports['tls_port']};"
                    f"SharedAccessKeyName=holdfast;SharedAccessKey={self.key}")
        if self.form == "tls":
            return (f"Endpoint=sb://localhost:{self.ports['tls_port']}/;"
                    f"SharedAccessKeyName=holdfast;SharedAccessKey={self.key};"
                    f"EntityPath={self.entity}")
        return (f"Endpoint=sb://127.0.0.1:{self.ports['amqp_port']};"
                f"SharedAccessKeyName=holdfast;SharedAccessKey={self.key};"
                f"EntityPath={self.entity};UseDevelopmentEmulator=true")

    def restart(self):
        self.stop()
        return self.start()

    def generate(self, devices=200, rate=2000, properties=8, **more):
        return self.ask("/generate", {"devices": devices, "prefix": "device-", "rate": rate,
                                      "properties": properties, **more}, timeout=600)

    def replay(self, folder, rate):
        return self.ask("/replay", {"dir": str(folder), "rate": rate})

    def stop_generator(self):
        """Stops whatever feeds the hub; gives how many events there are."""
        self.ask("/stop", {})
        wait_until(lambda: not self.state().get("running"), 60, "the generator stops")
        return self.state()["emitted"]

    def send(self, device, **event):
        return self.ask("/send", {"device": device, **event})

    def ends(self):
        """The last sequence number of every partition that holds events."""
        return {entry["id"]: entry["last"] for entry in self.state()["partitions"]
                if entry["last"] >= entry["begin"] and entry["last"] >= 0}


class ThingWorx(_Server):
    """The ThingWorx REST surface, strict, with a ledger of all that it accepted."""

    name = "thingworx"

    def __init__(self, run, stay=False):
        super().__init__(run, stay)
        self.key_file = run.path / "secrets" / "thingworx-app-key"
        self.key_file.write_text(secrets.token_hex(16))
        self.key_file.chmod(0o600)

    def port_names(self):
        return ["port", "control_port"]

    def arguments(self):
        return ["--port", self.ports["port"], "--control-port", self.ports["control_port"],
                "--app-key-file", self.key_file]

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.ports['port']}/Thingworx"

    def make_things(self, names=None, count=0, prefix="device-", properties=8):
        """Things as the generator's devices need them, or by name with any property."""
        if names is not None:
            body = {"names": list(names), "permissive": True}
        else:
            body = {"prefix": prefix, "count": count, "permissive": False,
                    "properties": generated_properties(properties)}
        return self.ask("/things", body)

    def install_bulk(self, installed=True):
        """The service of thingworx/holdfast-bulk.xml is imported, or taken away."""
        return self.ask("/settings", {"bulk": installed})

    def clear_faults(self):
        return self.ask("/fault", method="DELETE")


def generated_properties(count):
    """Names and base types of what the hub's generator sends."""
    kinds = {"p4": "BOOLEAN", "p5": "STRING"}
    names = ["seq"] + [f"p{number}" for number in range(1, count)]
    return {name: "LONG" if name == "seq" else kinds.get(name, "NUMBER") for name in names}


def check(run, hub, thingworx, *, dead_letters=(), names=None, since_us=None, not_sender=None):
    """Compares the hub's log with the ledger; gives the counts of `holdfast-lab check`.

    `dead_letters` are pairs (device, seq) that may be missing.
    """
    report = run.path / "check.json"
    argv = [place.program("holdfast-lab"), "check", "--hub", hub.control,
            "--thingworx", thingworx.control, "--json", report]
    if dead_letters:
        excepted = run.path / "except"
        excepted.write_text("".join(f"{device}\t{seq}\n" for device, seq in dead_letters))
        argv += ["--except", excepted]
    if names:
        argv += ["--names", names]
    if since_us is not None:
        argv += ["--since-us", since_us]
    if not_sender is not None:
        argv += ["--not-sender", not_sender]
    report.unlink(missing_ok=True)
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True,
                          check=False)
    if done.returncode not in (0, 1) or not report.exists():
        raise RuntimeError(f"holdfast-lab check failed ({done.returncode}): {done.stderr}")
    return json.loads(report.read_text())
