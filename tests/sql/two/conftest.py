"""Fixtures of the tests that need more than one connection: a clean cluster of rows, and nodes."""

import os

import psycopg2
import pytest

from members import Cluster


@pytest.fixture(scope="session")
def dsn():
    value = os.environ.get("HOLDFAST_TEST_DSN")
    if not value:
        pytest.skip("HOLDFAST_TEST_DSN names no database; run tests/sql/run.py")
    return value


@pytest.fixture
def cluster(dsn):
    """An empty cluster with one enabled hub, `demo`; its nodes are closed at the end."""
    members = Cluster(dsn)
    members.reset()
    yield members
    members.close()


@pytest.fixture
def admin(cluster):
    return cluster.admin


__all__ = ["psycopg2"]
