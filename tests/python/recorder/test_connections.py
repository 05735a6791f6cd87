"""The work of libraries on connections: the calls that it began in, and what it took."""

from __future__ import annotations

import pytest
from recorder_support import Runs
from test_statements import module

DJANGO = """
import django
from django.conf import settings

DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": PATH, "CONN_MAX_AGE": SECONDS}
settings.configure(DATABASES={"default": DATABASE})
django.setup()

from django.core.signals import request_finished
from django.db import connection, transaction
from other import read

def work():
    read(connection.cursor)
    with transaction.atomic():
        connection.cursor().execute("CREATE TABLE book (id INTEGER)")
    request_finished.send(None)
    connection.cursor().execute("SELECT 3")
    request_finished.send(None)
"""

SQLALCHEMY = """
from sqlalchemy import create_engine, pool, text
from other import read

def work():
    engine = create_engine("sqlite:///" + PATH, poolclass=pool.POOL)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE book (id INTEGER)"))
    with engine.connect() as connection:
        read(connection.connection.cursor)
"""

OTHER = """
def read(cursor):
    cursor().execute("SELECT 1")
"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # The first is opened where it is needed first, in the other module.
        (DJANGO.replace("SECONDS", "0"), ["commit work", "use read", "use work"]),
        (DJANGO.replace("SECONDS", "None"), ["commit work"]),
        (DJANGO.replace("SECONDS", "600"), ["commit work"]),
        (SQLALCHEMY.replace("POOL", "NullPool"), ["commit work", "use work", "use work"]),
        (SQLALCHEMY.replace("POOL", "QueuePool"), ["commit work", "use work", "use work"]),
    ],
    ids=["django", "django that keeps it", "django that keeps it for a while", "sqlalchemy", "its pool"],
)
def test_work_on_connections_is_of_the_calls_that_it_began_in(
    source: str, expected: list[str], runs: Runs
) -> None:
    """A connection of Django's that is kept costs a call nothing; one of a pool is taken and given back."""
    module(runs, "other.py", OTHER)
    directory = module(runs, "shop.py", source.replace("PATH", repr(str(runs.directory / "a.db"))))
    program = f"import sys\nsys.path.insert(0, {directory!r})\nimport shop\nshop.work()"
    (log,) = runs.run("-c", program, SPLITCOST_PACKAGES="shop,other")
    log.check()
    work = [record for record in log.records if record["record"] == "connection"]
    names = [f"{record['kind']} {log.calls[record['call']].name.partition(':')[2]}" for record in work]
    assert names == expected
    assert all(0 < record["cpu"] <= record["nanos"] for record in work)
