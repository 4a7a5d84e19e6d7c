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
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PLACE = ROOT / "build/sdk-test"
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]
os.environ.setdefault("HOLDFAST_LAB", str(ROOT / "build/release/tests/lab/holdfast-lab"))
from harness import npm  # noqa: E402  (where it is is named above)
from hub_client import Hub  # noqa: E402  (and its binary)


def skip(why):
    print(f"sdk-test: skipped: {why}", flush=True)
    sys.exit(0)


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


def check(script, how, running, ca, blob):
    """Runs one script; the numbers of checks that passed and failed."""
    print(f"-- {script}, {how}", flush=True)
    environment = {**os.environ, "LAB_CONNECTION": running.strings[how],
                   "LAB_CONTROL": running.control, "LAB_BLOB": blob,
                   "NODE_EXTRA_CA_CERTS": str(ca)}
    done = subprocess.run(["node", script], cwd=PLACE, env=environment, stdout=subprocess.PIPE,
                          text=True, timeout=1800, check=False)
    print(done.stdout, end="", flush=True)
    passed = len(re.findall("^ok ", done.stdout, re.M))
    failed = len(re.findall("^FAIL ", done.stdout, re.M))
    return passed, failed or int(done.returncode != 0)


def main():
    why_not = npm.install(HERE / "package.json", PLACE)
    if why_not:
        skip(why_not)
    for path in HERE.glob("*.mjs"):
        shutil.copy(path, PLACE)
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    tls_dir = PLACE / "tls"
    results = []
    with npm.azurite(PLACE) as blob:
        for how in ("plain", "TLS"):
            for script in ("client.mjs", "processors.mjs"):
                with hub(key, tls_dir) as running:
                    results.append(check(script, how, running, tls_dir / "ca.pem", blob))
    passed, failed = (sum(column) for column in zip(*results))
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
