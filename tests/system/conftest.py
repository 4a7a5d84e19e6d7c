"""Real processes: one PostgreSQL for all scenarios, everything else new for each."""

import shutil

import pytest

from harness import place, process
from harness.cluster import Cluster
from harness.postgres import Postgres

LOG_LINES = 12


@pytest.fixture(scope="session")
def run():
    process.guard()
    return place.Run("system")


@pytest.fixture(scope="session")
def postgres(run):
    # The machine itself does not crash here: waiting for its disk would only make pauses random.
    return Postgres(run, settings={"fsync": "off"}).start()


@pytest.fixture
def make_postgres(request, run):
    """make_postgres(settings) starts a server for one scenario, which may break it."""
    made = []

    def make(settings=None, **options):
        name = f"{request.node.name.translate(str.maketrans('[]-', '___'))}_server_{len(made)}"
        server = Postgres(run.part(name), settings={"fsync": "off", **(settings or {})}, **options)
        made.append(server)
        return server.start()

    yield make
    for server in made:
        if server.child and server.child.alive:
            server.child.kill()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        item.failed = report.failed


@pytest.fixture
def make_cluster(request, run, postgres):
    """make_cluster(nodes=3, ...) starts a cluster in a database of its own."""
    made = []

    def make(things=None, started=True, own_postgres=None, **options):
        name = f"{request.node.name.translate(str.maketrans('[]-', '___'))}_{len(made)}"
        cluster = Cluster(run.part(name), postgres=own_postgres or postgres, database=name,
                          audited=True, **options)
        made.append(cluster)
        if started:
            cluster.start(things)
        return cluster

    yield make
    failed = getattr(request.node, "failed", False)
    for cluster in made:
        cluster.stop()
        if failed:
            show_logs(cluster)


def show_logs(cluster):
    """The end of every log into the report, the whole of it beside the build."""
    kept = place.build_folder() / "failed" / cluster.run.path.name
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(cluster.run.path / "log", kept)
    for path in sorted((cluster.run.path / "log").glob("*.log")):
        print(f"--- the end of {path.name} (all of it: {kept})")
        print(process.tail(path, LOG_LINES))
