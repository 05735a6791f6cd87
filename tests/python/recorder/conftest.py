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
def postgres_server() -> Iterator[str]:
    """The directory of the socket of a PostgreSQL server."""
    with database_support.postgres() as directory:
        yield directory


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """The directory of the socket of a PostgreSQL server whose database `postgres` is empty."""
    database_support.empty_postgres(postgres_server)
    return postgres_server


@pytest.fixture(scope="module")
def mariadb_server() -> Iterator[str]:
    """The socket of a MariaDB server."""
    with database_support.mariadb() as socket:
        yield socket


@pytest.fixture
def mariadb(mariadb_server: str) -> str:
    """The socket of a MariaDB server whose only database, `test`, is empty."""
    database_support.empty_mariadb(mariadb_server)
    return mariadb_server


@pytest.fixture(scope="module")
def redis_server() -> Iterator[str]:
    """The socket of a Redis server."""
    with database_support.redis() as socket:
        yield socket


@pytest.fixture
def redis(redis_server: str) -> str:
    """The socket of a Redis server that holds nothing."""
    database_support.empty_redis(redis_server)
    return redis_server
