"""Looks at the end: what was sent against what arrived, and what the containers show of themselves."""

import contextlib
import http.server
import json
import pathlib
import threading

from containers.engine import quiet


@contextlib.contextmanager
def served(text):
    """The text as an HTTP answer to everything, for as long as the block lasts."""
    body = text.encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # pylint: disable=invalid-name
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def compare(project, ledger):
    """`holdfast-lab check`: the hub's log against the ledgers of all platform nodes as one."""
    hub = f"http://{project.address('lab-hub', 8081)}"
    with served("".join(line + "\n" for _at, line in ledger)) as merged:
        text = quiet("docker", "run", "--rm", "--network", "host", "holdfast-lab:compose-test",
                     "sh", "-c", f"holdfast-lab check --hub {hub} --thingworx {merged} || true")
    if not text:
        raise RuntimeError("holdfast-lab check gave no result")
    return json.loads(text)


def longest_gap(ledger, begin_us, end_us):
    """The longest time in which nothing was accepted, in seconds."""
    times = [begin_us, *(at for at, _line in ledger if begin_us <= at <= end_us), end_us]
    return max(later - earlier for earlier, later in zip(times, times[1:])) / 1e6


def secret_values(project):
    """Every secret of the project; read as root from the volumes, by a container of its own."""
    volumes = [part for whom in ("database", "node", "migrate", "people", "lab")
               for part in ("-v", f"{project.name}_secrets-{whom}:/for/{whom}:ro")]
    script = "for f in /for/*/*; do echo \"@ $f\"; cat $f; echo; done"
    text = quiet("docker", "run", "--rm", "--user", "0", "--network", "none", *volumes,
                 "--entrypoint", "sh", "holdfast-database:compose-test", "-c", script) or ""
    found = {}
    for part in text.split("@ /for/")[1:]:
        name, _, value = part.partition("\n")
        if pathlib.PurePath(name).suffix != ".pem":
            found[name] = value.strip()
    return found


def loose_ends(project):
    """What is not as hardened as docker-compose.yml promises: texts."""
    bad = []
    values = secret_values(project)
    if len(values) < 8:
        bad.append(f"only {len(values)} secrets were found")
    words = {name: value.split(":")[-1] if name.endswith("pgpass") else value
             for name, value in values.items()}
    for service, each in project.services().items():
        for one in each:
            host, name = one["HostConfig"], one["Name"][1:]
            user = one["Config"]["User"]
            if not host["ReadonlyRootfs"]:
                bad.append(f"{name}: its root file system can be written")
            if host["CapDrop"] != ["ALL"] or (host["CapAdd"] and not service.endswith("secrets")):
                bad.append(f"{name}: capabilities {host['CapDrop']} {host['CapAdd']}")
            if not any("no-new-privileges" in option for option in host["SecurityOpt"] or ()):
                bad.append(f"{name}: may gain privileges")
            if not host["Memory"]:
                bad.append(f"{name}: no limit of memory")
            if user.split(":")[0] in ("", "0", "root") and not service.endswith("secrets"):
                bad.append(f"{name}: runs as root")
            text = json.dumps(one)
            bad += [f"{name}: shows the secret {secret}" for secret, word in words.items()
                    if len(word) >= 16 and word in text]
    shown = quiet("docker", "run", "--rm", "--entrypoint", "sh", "holdfast:compose-test", "-c",
                  "command -v holdfast-lab psql gcc curl; grep -c . /usr/share/holdfast/packages.tsv")
    if shown is None or "/" in shown or int(shown) < 50:
        bad.append(f"the production image holds what it should not, or no list: {shown}")
    return bad
