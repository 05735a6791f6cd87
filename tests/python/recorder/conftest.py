"""Fixtures: a directory to record into, and servers of databases."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import database_support
from recorder_support import Runs


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """A fresh directory to record into."""
    return Runs(tmp_path)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The directory of the socket of a PostgreSQL server."""
    with database_support.postgres() as directory:
        yield directory


@pytest.fixture(scope="module")
def mariadb() -> Iterator[str]:
    """The socket of a MariaDB server."""
    with database_support.mariadb() as socket:
        yield socket


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    """The socket of a Redis server."""
    with database_support.redis() as socket:
        yield socket
