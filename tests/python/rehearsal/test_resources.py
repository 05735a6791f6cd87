"""Sessions and other resources of known kind: the callee obtains its own."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from case_support import CASES, case_split, checks_of, run_check
from rehearsal_support import DEADLINE_SECS, Split

sys.path.append(str(Path(__file__).parents[1] / "recorder"))

SCHEMA = """
    CREATE TABLE shelf (id INTEGER PRIMARY KEY, name VARCHAR NOT NULL);
    CREATE TABLE book (
        id INTEGER PRIMARY KEY,
        title VARCHAR NOT NULL,
        sold INTEGER NOT NULL,
        shelf_id INTEGER REFERENCES shelf (id)
    );
"""
ADAPT = {
    "app.db.Ledger": "app.db:ledgers",
    "app.db.Special": "app.db:special",
    "app.db.Shared": "app.db:shared",
    "app.db:Closed": "app.db:closed",
    "app.db.Awaited": "app.db:awaited",
    "app.db.Generated": "app.db:generated",
}


@pytest.fixture(scope="module", params=["httpx", "grpc", "postgresql"])
def sessions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    """The services of the case `sessions`, with a database of their own."""
    directory = tmp_path_factory.mktemp(request.param)
    on_postgresql = request.param == "postgresql"
    stack = "httpx" if on_postgresql else request.param
    with (
        _postgresql() if on_postgresql else _database(directory),
        case_split("sessions", directory, stack, adapt=ADAPT, batch=2) as services,
    ):
        yield services


@pytest.mark.parametrize("check", checks_of("sessions"))
def test_a_session(sessions: Split, check: str) -> None:
    run_check(sessions, check)


FUNCTIONS = [f"app.vault:{name}" for name in ("add", "add_and_fail", "add_manually", "count")]


@pytest.fixture(scope="module")
def under_flask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    """The services of an app of Flask's, with a database of their own."""
    served = "from werkzeug.serving import run_simple; from app.web import app; run_simple('127.0.0.1', {port}, app)"
    yield from _web("flask_context", tmp_path_factory.mktemp("flask"), served)


@pytest.fixture(scope="module")
def under_django(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    """The services of a project of Django's, with a database of their own."""
    served = "import django; django.setup(); from app.web import serve; serve({port})"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_SETTINGS_MODULE", "app.settings")
        yield from _web("django_data", tmp_path_factory.mktemp("django"), served)


def _web(case: str, directory: Path, served: str) -> Iterator[Split]:
    modules = {"main": [], "vault": ["app.vault"]}
    options: dict[str, Any] = {"packages": ["app"], "copied": [], "local_functions": [], "functions": []}
    options |= {"database_functions": FUNCTIONS, "path": CASES / case, "modules": modules}
    with _database(directory):
        services = Split("httpx", directory, command=["-c", served], **options)
        try:
            services.start(*modules)
            yield services
        finally:
            services.stop()


@contextlib.contextmanager
def _postgresql() -> Iterator[None]:
    """Run PostgreSQL, and give the services its place."""
    import database_support
    import psycopg

    with database_support.postgres() as place, pytest.MonkeyPatch.context() as patch:
        with psycopg.connect(host=place, user="postgres", dbname="postgres") as connection:
            connection.execute(SCHEMA.replace("INTEGER PRIMARY KEY", "SERIAL PRIMARY KEY"))
        patch.setenv("CASE_DATABASE", place)
        yield


@contextlib.contextmanager
def _database(directory: Path) -> Iterator[None]:
    """Make a database, and give the services its place."""
    file = directory / "database"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript(SCHEMA)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASE_DATABASE", str(file))
        yield


def _ask(services: Split, path: str, body: bytes | None = None, kind: str = "") -> None:
    headers = {"x-asked": "yes", "content-type": kind, "x-splitcost-request": path}
    asked = urllib.request.Request(services.url(f"{path}?arg=1"), body, headers)
    try:
        with urllib.request.urlopen(asked, timeout=DEADLINE_SECS):
            pass
    except urllib.error.HTTPError:
        raise AssertionError(services.log("main")[-3000:]) from None


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("path", ["/reads", "/items", "/proxies", "/session"])
def test_code_under_flask_finds_the_callers_request(under_flask: Split, path: str) -> None:
    _ask(under_flask, path)


def test_a_body_that_was_read_goes_along(under_flask: Split) -> None:
    _ask(under_flask, "/body", b'{"amount": 3}', "application/json")
    _ask(under_flask, "/form", b"amount=3", FORM)


@pytest.mark.parametrize(
    "path",
    ["/outside", "/inside", "/uncommitted", "/reading", "/autocommit", "/manual", "/requests", "/lazy"],
)
def test_a_call_under_django(under_django: Split, path: str) -> None:
    _ask(under_django, path)


def test_a_request_of_django_has_its_form(under_django: Split) -> None:
    _ask(under_django, "/body", b"amount=3", FORM)


def test_a_call_that_is_cut_is_listed(under_django: Split) -> None:
    _ask(under_django, "/uncommitted")
    found = [event for event in under_django.report()["events"] if event["callee"] == "app.vault:count"]
    assert {(event["reason"], event["path"], event["obstacle"]) for event in found} == {
        ("uncommitted writes", "call", "needs writes that are not committed yet")
    }


def test_transactions_that_became_two_are_counted(under_django: Split) -> None:
    _ask(under_django, "/inside")
    (found,) = [each for each in under_django.report()["transactions"] if each["endpoint"] == "/inside"]
    assert (found["caller"], found["callee"]) == ("app.web", "app.vault:add")


def test_transactions_of_sessions_are_counted(sessions: Split) -> None:
    before = _transactions(sessions)
    run_check(sessions, "commits_at_the_end")
    run_check(sessions, "rolls_back_what_failed")
    run_check(sessions, "is_that_of_a_registry")
    assert _transactions(sessions) == before + 1
    run_check(sessions, "commits_when_batches_end")
    found = [each for each in sessions.report()["transactions"] if each["callee"] == "app.vault:add_each"]
    assert [each["caller"] for each in found] == ["app.checks"]


def _transactions(services: Split) -> int:
    return sum(each["count"] for each in services.report()["transactions"])
