#!/usr/bin/python3
"""./dev sdk-test: Microsoft's unmodified Event Hubs client against holdfast-lab hub.

Installs the client with npm under build/ and runs the checks of this folder, over plain TCP and
over TLS. Where there is no npm or no registry it says so in one line and ends with status 0.
HOLDFAST_LAB names the binary of the lab.
"""

import base64
import contextlib
import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PLACE = ROOT / "build/sdk-test"
UNREACHABLE = ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ETIMEDOUT", "ECONNRESET", "ENETUNREACH",
               "EHOSTUNREACH", "ERR_SOCKET_TIMEOUT", "ENOTCACHED", "network request")

sys.path.insert(0, str(HERE.parent))
os.environ.setdefault("HOLDFAST_LAB", str(ROOT / "build/release/tests/lab/holdfast-lab"))
from hub_client import Hub  # noqa: E402  (its binary is named above)


def skip(why):
    print(f"sdk-test: skipped: {why}", flush=True)
    sys.exit(0)


def node_version():
    done = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)", done.stdout)
    return int(found.group(1)) if found else 0


def install():
    """Microsoft's packages, in the versions of package.json; once per version of it."""
    if not shutil.which("node") or not shutil.which("npm"):
        skip("node and npm are not installed")
    if node_version() < 20:
        skip("node is older than version 20")
    PLACE.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "package.json").read_bytes()
    stamp = PLACE / "installed.json"
    if stamp.exists() and stamp.read_bytes() == wanted:
        return
    print("sdk-test: installing Microsoft's packages under build/sdk-test", flush=True)
    (PLACE / "package.json").write_bytes(wanted)
    with open(PLACE / "npm.log", "w", encoding="utf-8") as log:
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--fetch-retries=1",
             "--fetch-timeout=60000"], cwd=PLACE, stdout=log, stderr=log, check=False)
    text = (PLACE / "npm.log").read_text(encoding="utf-8")
    if done.returncode != 0 and any(word in text for word in UNREACHABLE):
        skip("the npm registry cannot be reached (build/sdk-test/npm.log)")
    if done.returncode != 0:
        sys.exit(f"sdk-test: npm failed:\n{text}")
    stamp.write_bytes(wanted)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def hub(key, tls_dir):
    """A fresh hub; gives it with its connection strings, plain and TLS."""
    key_file = PLACE / "key"
    key_file.write_text(key, encoding="ascii")
    running = Hub("--key-file", str(key_file), "--partitions", "4", "--tls-port", "0",
                  "--tls-dir", str(tls_dir))

    def string(port, more=""):
        return (f"Endpoint=sb://localhost:{port};SharedAccessKeyName=holdfast;"
                f"SharedAccessKey={key};EntityPath=telemetry{more}")

    running.strings = {"plain": string(running.port, ";UseDevelopmentEmulator=true"),
                       "TLS": string(running.tls_port)}
    try:
        yield running
    finally:
        running.stop()


@contextlib.contextmanager
def azurite():
    """The blob service that the processors keep their checkpoints in."""
    port = free_port()
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    with open(PLACE / "azurite.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [PLACE / "node_modules/.bin/azurite-blob", "--inMemoryPersistence",
             "--skipApiVersionCheck", "--blobHost", "127.0.0.1", "--blobPort", str(port)],
            env={**os.environ, "AZURITE_ACCOUNTS": f"lab:{key}"}, stdout=log, stderr=log)
    try:
        deadline = time.time() + 30
        while process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            if time.time() > deadline:
                sys.exit("sdk-test: azurite does not listen (build/sdk-test/azurite.log)")
            time.sleep(0.1)
        yield (f"DefaultEndpointsProtocol=http;AccountName=lab;AccountKey={key};"
               f"BlobEndpoint=http://127.0.0.1:{port}/lab;")
    finally:
        process.terminate()
        process.wait(30)


def check(script, how, running, ca, blob):
    """Runs one script; the numbers of checks that passed and failed."""
    print(f"-- {script}, {how}", flush=True)
    environment = {**os.environ, "LAB_CONNECTION": running.strings[how],
                   "LAB_CONTROL": running.control, "LAB_BLOB": blob,
                   "NODE_EXTRA_CA_CERTS": str(ca)}
    done = subprocess.run(["node", script], cwd=PLACE, env=environment, stdout=subprocess.PIPE,
                          text=True, timeout=600, check=False)
    print(done.stdout, end="", flush=True)
    passed = len(re.findall("^ok ", done.stdout, re.M))
    failed = len(re.findall("^FAIL ", done.stdout, re.M))
    return passed, failed or int(done.returncode != 0)


def main():
    install()
    for path in HERE.glob("*.mjs"):
        shutil.copy(path, PLACE)
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    tls_dir = PLACE / "tls"
    results = []
    with azurite() as blob:
        for how in ("plain", "TLS"):
            for script in ("client.mjs", "processors.mjs"):
                with hub(key, tls_dir) as running:
                    results.append(check(script, how, running, tls_dir / "ca.pem", blob))
    passed, failed = (sum(column) for column in zip(*results))
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
