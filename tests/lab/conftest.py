"""A hub for every test that asks for one; it must end well."""

import pytest
from hub_client import KEY, Hub


@pytest.fixture
def hub():
    running = Hub()
    yield running
    assert running.stop() == 0


@pytest.fixture
def locked(tmp_path):
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    running = Hub("--key-file", str(key))
    yield running
    assert running.stop() == 0
