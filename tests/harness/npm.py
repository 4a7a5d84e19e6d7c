"""Programs for Node.js that tests and benchmarks run: installed with npm outside the repository."""

import base64
import contextlib
import os
import re
import secrets
import shutil
import socket
import subprocess

from harness.process import Child
from harness.waiting import wait_until

UNREACHABLE = ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ETIMEDOUT", "ECONNRESET", "ENETUNREACH",
               "EHOSTUNREACH", "ERR_SOCKET_TIMEOUT", "ENOTCACHED", "network request")
ACCOUNT = "lab"


def _node_version():
    done = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)", done.stdout)
    return int(found.group(1)) if found else 0


def install(package, place):
    """The packages of a package.json into the folder, once per version of it; gives why it cannot
    be done here, or None."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "node and npm are not installed"
    if _node_version() < 20:
        return "node is older than version 20"
    place.mkdir(parents=True, exist_ok=True)
    wanted = package.read_bytes()
    stamp = place / "installed.json"
    if stamp.exists() and stamp.read_bytes() == wanted:
        return None
    print(f"installing the packages of {package.parent.name} under {place}", flush=True)
    (place / "package.json").write_bytes(wanted)
    log = place / "npm.log"
    with open(log, "w", encoding="utf-8") as file:
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--fetch-retries=1",
             "--fetch-timeout=60000"], cwd=place, stdout=file, stderr=file, check=False)
    text = log.read_text(encoding="utf-8")
    if done.returncode != 0 and any(word in text for word in UNREACHABLE):
        return f"the npm registry cannot be reached ({log})"
    if done.returncode != 0:
        raise RuntimeError(f"npm failed:\n{text}")
    stamp.write_bytes(wanted)
    return None


@contextlib.contextmanager
def azurite(place):
    """The blob service that checkpoints are kept in, of the packages in the folder; gives its
    connection string."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    log = place / "azurite.log"
    child = Child("azurite",
                  [place / "node_modules/.bin/azurite-blob", "--inMemoryPersistence", "--silent",
                   "--skipApiVersionCheck", "--blobHost", "127.0.0.1", "--blobPort", port],
                  log, env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"})

    def listens():
        child.require_alive()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    try:
        wait_until(listens, 120, "azurite listens", every=0.1)
        yield (f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};"
               f"BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};")
    finally:
        child.stop()
