"""The package under a real systemd: a container boots, and the service does what its unit says.

Part of `./dev package-test --boot`; this needs systemd-nspawn and a kernel that lets it.
"""

import os
import re
import shutil
import subprocess

PASSED = "everything is as it should be"

# Runs inside, as a unit behind all others. What it prints is the report; the first failure ends it.
SCRIPT = r"""#!/bin/bash
exec >/opt/report 2>&1
trap 'echo "failed at line $LINENO: $BASH_COMMAND"; journalctl --no-pager -u "holdfast*" | tail -n 40
      systemctl --no-block poweroff' ERR
set -eE
status() { systemctl show --property "$1" --value "$2"; }
until_true() { for _ in {1..900}; do "$@" && return; sleep 0.1; done; false; }
is() { [[ $(status "$1" "$2") == "$3" ]]; }

systemctl start holdfast
is ActiveState holdfast active
pid=$(status MainPID holdfast)
grep -q '^CapBnd:\s0*$' /proc/$pid/status
grep -q '^NoNewPrivs:\s1' /proc/$pid/status
grep -q '^Seccomp:\s2' /proc/$pid/status
[[ $(stat -c %U /proc/$pid/mem) == root ]]   # nobody else may look into it
systemctl reload holdfast
echo 'started closed, and reloaded'

echo HOLDFAST_HTTP_PORT=0 >/etc/holdfast/holdfast-a.conf
systemctl start holdfast@a
is ActiveState holdfast@a active
echo 'two nodes on one machine'

kill -STOP "$pid"
changed() { local now; now=$(status MainPID holdfast); [[ $now != "$pid" && $now != 0 ]]; }
until_true changed
until_true is ActiveState holdfast active
[[ $(status NRestarts holdfast) == 1 ]]
echo 'one that hangs is started again'

# A database that is away: for longer than the unit's own time-out nothing gets it killed.
cp /etc/holdfast/holdfast.conf /opt/kept
sed -i 's/host=127.0.0.1 port=[0-9]*/host=127.0.0.1 port=1/' /etc/holdfast/holdfast.conf
systemctl restart --no-block holdfast
until_true is ActiveState holdfast activating
pid=$(status MainPID holdfast)
sleep 75
is ActiveState holdfast activating
[[ $(status MainPID holdfast) == "$pid" ]]
[[ $(status StatusText holdfast) == starting:* ]]
cp /opt/kept /etc/holdfast/holdfast.conf
systemctl restart holdfast
echo 'one that waits for its database is left alone'

systemctl stop holdfast holdfast@a
is Result holdfast success
is ExecMainStatus holdfast 0
dpkg --purge holdfast
if getent passwd holdfast; then false; fi
echo 'PASSED'
systemctl --no-block poweroff
""".replace("PASSED", PASSED)

UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/opt/script
"""


def boot(system, database):
    """`database` is the connection string of a node, with its password in it. The package is
    installed; afterwards it is purged."""
    system.run("apt-get", "-q", "-y", "install", "--no-install-recommends", "systemd",
               "systemd-sysv", "dbus")
    with system.path("/etc/holdfast/holdfast.conf").open("a") as file:
        file.write(f"HOLDFAST_DATABASE={database}\nHOLDFAST_HTTP_PORT=0\n")
    script = system.path("/opt/script")
    script.write_text(SCRIPT)
    script.chmod(0o755)
    units = system.path("/etc/systemd/system")
    (units / "try.service").write_text(UNIT)
    (units / "multi-user.target.wants").mkdir(exist_ok=True)
    (units / "multi-user.target.wants/try.service").symlink_to("../try.service")
    subprocess.run(["umount", str(system.root / "proc")], check=True)
    try:
        done = subprocess.run(["systemd-nspawn", "--register=no", "--keep-unit", "--quiet",
                               f"--directory={system.root}", "--boot"], check=False, timeout=600,
                              capture_output=True, text=True, errors="replace",
                              stdin=subprocess.DEVNULL)
        said = done.stdout + done.stderr
    except subprocess.TimeoutExpired as error:
        said = str(error)
    report = system.path("/opt/report")
    text = report.read_text() if report.exists() else "it did not boot: " + said[-1000:]
    assert text.rstrip().endswith(PASSED), text
    return [line for line in text.splitlines() if re.match(r"(started|two|one) ", line)]


def possible():
    return shutil.which("systemd-nspawn") is not None and os.path.isdir("/sys/fs/cgroup")
