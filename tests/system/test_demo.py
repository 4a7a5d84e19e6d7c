"""./dev demo itself: its result, its exit status, and that it leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from harness import place
from harness.process import start_time
from harness.waiting import wait_until


def start_demo(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "harness.demo", *map(str, arguments)], cwd=place.ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": str(place.ROOT / "tests")})


def record_of(demo):
    path = place.RUN / f"demo-{demo.pid}" / "run.json"
    return json.loads(path.read_text()) if path.exists() else None


def whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def run_demo(tmp_path, *arguments):
    report = tmp_path / "demo.json"
    demo = start_demo("--json", report, *arguments)
    output, _ = demo.communicate(timeout=180)
    print(output)
    assert demo.returncode == 0
    assert not (place.RUN / f"demo-{demo.pid}").exists()
    return json.loads(report.read_text())


def test_kill_of_the_leader(tmp_path):
    found = run_demo(tmp_path, "--seconds", 6, "--rate", 600, "--devices", 50)
    assert set(found) == {"nodes", "partitions", "devices", "events", "failover", "database"}
    assert (found["nodes"], found["partitions"], found["devices"]) == (3, 8, 50)
    events = found["events"]
    assert set(events) == {"emitted", "delivered", "lost", "duplicates", "out_of_order"}
    assert all(whole(value) for value in events.values())
    assert events["emitted"] == events["delivered"] > 1000
    assert events["lost"] == events["out_of_order"] == 0
    failover = found["failover"]
    assert failover["killed"].startswith("node-")
    assert whole(failover["leader_ms"]) and whole(failover["partitions_ms"])
    assert "dbname=holdfast" in found["database"]["dsn"]


def test_replay_without_a_kill(tmp_path):
    folder = tmp_path / "replay"
    folder.mkdir()
    for device in ("boiler", "pump"):
        rows = [f"2013-07-04 00:{minute:02d}:00,{minute}.8{minute}" for minute in range(60)]
        (folder / f"{device}.csv").write_text("timestamp,value\n" + "\n".join(rows) + "\n")
    found = run_demo(tmp_path, "--seconds", 3, "--nodes", 1, "--partitions", 2, "--kill", "none",
                     "--replay", folder, "--rate", 100)
    assert found["devices"] == 2
    assert found["events"]["delivered"] == found["events"]["emitted"] == 120
    assert found["failover"] == {"killed": None, "leader_ms": None, "partitions_ms": None}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(number):
    """Ctrl-C and SIGTERM clean up at once; after a kill -9 the kernel ends the children, and the
    next run removes the folder."""
    demo = start_demo("--seconds", 60, "--nodes", 2, "--rate", 200)
    try:
        record = wait_until(lambda: (record_of(demo) or {}).get("children", [])[4:]
                            and record_of(demo), 60, "the demo's processes run")
        children = [(pid, started) for pid, started, _signal, _name in record["children"]]
        demo.send_signal(number)
        demo.communicate(timeout=120)
    finally:
        if demo.poll() is None:
            demo.kill()
    wait_until(lambda: all(start_time(pid) != started for pid, started in children), 60,
               "its processes end")
    if number == signal.SIGKILL:
        place.clear_stale()
    # Another run that starts at the same time may be about to remove it.
    wait_until(lambda: not (place.RUN / f"demo-{demo.pid}").exists(), 60, "its folder is gone")
    assert demo.returncode != 0


def test_keep_leaves_it_running_and_stop_ends_it(tmp_path):
    report = tmp_path / "demo.json"
    demo = start_demo("--seconds", 2, "--nodes", 1, "--kill", "none", "--rate", 200, "--keep",
                      "--json", report)
    # Its children inherit no pipe of ours: the output ends with the demo.
    output, _ = demo.communicate(timeout=180)
    print(output)
    try:
        assert demo.returncode == 0
        dsn = json.loads(report.read_text())["database"]["dsn"]
        assert dsn in output
        done = subprocess.run([place.postgres_program("psql"), "-XAtc",
                               "SELECT count(*) FROM holdfast.nodes", dsn], capture_output=True,
                              text=True, check=True)
        assert done.stdout.strip() == "1"
        time.sleep(0.5)
        record = record_of(demo)
        assert all(start_time(pid) == started for pid, started, _s, _n in record["children"])
    finally:
        record = record_of(demo)
        if record:
            place.end_run(place.RUN / f"demo-{demo.pid}", record)
    assert all(start_time(pid) != started for pid, started, _s, _n in record["children"])
