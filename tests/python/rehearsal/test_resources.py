"""Sessions and other resources of known kind: the callee obtains its own."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

import pytest
from case_support import case_split, checks_of, run_check
from rehearsal_support import Split

SCHEMA = """
    CREATE TABLE shelf (id INTEGER PRIMARY KEY, name VARCHAR NOT NULL);
    CREATE TABLE book (
        id INTEGER PRIMARY KEY,
        title VARCHAR NOT NULL,
        sold INTEGER NOT NULL,
        shelf_id INTEGER REFERENCES shelf (id)
    );
"""
ADAPT = {"app.db.Ledger": "app.db:ledgers"}


@pytest.fixture(scope="module", params=["httpx", "grpc"])
def sessions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    """The services of the case `sessions`, with a database of their own."""
    directory = tmp_path_factory.mktemp(request.param)
    with contextlib.closing(sqlite3.connect(directory / "database")) as connection:
        connection.executescript(SCHEMA)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASE_DATABASE", str(directory / "database"))
        with case_split("sessions", directory, request.param, adapt=ADAPT, batch=2) as services:
            yield services


@pytest.mark.parametrize("check", checks_of("sessions"))
def test_a_session(sessions: Split, check: str) -> None:
    run_check(sessions, check)
