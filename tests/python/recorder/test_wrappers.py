"""Code of the app that runs where a library executes a statement: the statement belongs to whoever issued it."""

from __future__ import annotations

import pytest
from recorder_support import APPS

PRELUDE = "from kinds import back, wrapped as w\n"


def run(runs, code):
    (log,) = runs.run("-c", PRELUDE + code, SPLITCOST_PACKAGES="kinds")
    log.check()
    return log


def issuers(log):
    """Give the names of the calls that issued statements, with the lines of these, each once."""
    sites = {r["id"]: r["line"] for r in log.records if r["record"] == "site"}
    statements = [r for r in log.records if r["record"] == "statement"]
    return sorted({(log.calls[r["call"]].name, sites.get(r["site"], 0)) for r in statements})


def kinds(log, name):
    """Give the kinds of the receivers of a function's calls, each once."""
    return {call.payloads[False]["receiver"]["kind"] for call in log.named(name)}


def line_of(text):
    lines = (APPS / "kinds" / "back.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_a_statement_of_an_own_cursor_belongs_to_the_caller(runs):
    log = run(runs, "back.query(w.sqlite3.connect(':memory:', factory=w.Connection))")
    assert issuers(log) == [("kinds.back:query", line_of("cursor.execute"))]
    assert kinds(log, "kinds.wrapped:Cursor.execute") == {"extension"}
    assert kinds(log, "kinds.wrapped:Connection.cursor") == {"extension"}


def test_a_statement_of_a_method_that_extends_nothing_belongs_to_it(runs):
    log = run(
        runs, "back.apply(w.Cursor.names, w.sqlite3.connect(':memory:', factory=w.Connection).cursor())"
    )
    assert {name for name, _ in issuers(log)} == {"kinds.wrapped:Cursor.names"}
    assert kinds(log, "kinds.wrapped:Cursor.names") == {"service"}


@pytest.mark.parametrize(
    ("wrapper", "name"),
    [("Counter()", "Counter.__call__"), ("blocker", "blocker")],
    ids=["object", "function"],
)
def test_a_statement_under_a_wrapper_of_django_belongs_to_the_caller(runs, wrapper, name):
    log = run(
        runs,
        "from kinds import rows\n"
        "connection = rows.django.db.connection\n"
        "connection.ensure_connection()\n"
        f"with connection.execute_wrapper(w.{wrapper}):\n"
        "    back.query(connection)\n",
    )
    assert issuers(log) == [("kinds.back:query", line_of("cursor.execute"))]
    assert kinds(log, f"kinds.wrapped:{name}") == {"extension"}


def test_a_listener_of_sqlalchemy_runs_where_the_statement_does(runs):
    log = run(
        runs,
        "import sqlalchemy\n"
        "engine = sqlalchemy.create_engine('sqlite://')\n"
        "sqlalchemy.event.listen(engine, 'before_cursor_execute', w.listener)\n"
        "back.query_engine(engine, sqlalchemy.text('SELECT 1'))\n",
    )
    assert {name for name, _ in issuers(log)} == {"kinds.back:query_engine"}
    assert kinds(log, "kinds.wrapped:listener") == {"extension"}
