"""One PostgreSQL for all tests of the package."""

import pytest

from harness import place, process
from harness.postgres import Postgres


@pytest.fixture(scope="session")
def run():
    process.guard()
    return place.Run("package")


@pytest.fixture(scope="session")
def postgres(run):
    return Postgres(run, settings={"fsync": "off"}).start()
