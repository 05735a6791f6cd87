"""Writes that are not committed: of which calls they are, when other calls begin."""

from __future__ import annotations

import pytest
from recorder_support import Runs
from test_statements import module

DJANGO = """
import django
from django.conf import settings

settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
django.setup()

from django.db import connection, transaction
from other import plain, write

def work():
    connection.cursor().execute("CREATE TABLE book (id INTEGER)")
    plain("committed by itself")
    with transaction.atomic():
        plain("nothing written")
        connection.cursor().execute("INSERT INTO book VALUES (1)")
        plain("written")
        write(connection)
        plain("written by both")
    plain("committed")
    try:
        with transaction.atomic():
            write(connection)
            plain("written there")
            raise ValueError
    except ValueError:
        plain("rolled back")
"""

SQLALCHEMY = """
from sqlalchemy import create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from other import add, plain

class Base(DeclarativeBase):
    pass

class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]

def work():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        plain("nothing")
        add(session, Book(title="a"))
        plain("added there")
        session.flush()
        plain("flushed here")
        session.add(Book(title="b"))
        plain("added by both")
        session.commit()
        plain("committed")
        book = session.get(Book, 1)
        book.title = book.title + ""
        plain("the same")
        book.title = "c"
        plain("changed")
        session.rollback()
        plain("rolled back")
        session.delete(book)
        plain("deleted")
    plain("closed")
"""

OTHER = """
def plain(said):
    return said

def write(connection):
    connection.cursor().execute("INSERT INTO book VALUES (2)")

def add(session, row):
    session.add(row)
"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            DJANGO,
            ["", "", "work", "work", "work write", "", "", "write", ""],
        ),
        (
            SQLALCHEMY,
            ["", "", "add", "add", "add work", "", "", "work", "", "work", ""],
        ),
    ],
    ids=["django", "sqlalchemy"],
)
def test_calls_begin_while_writes_of_others_are_not_committed(
    source: str, expected: list[str], runs: Runs
) -> None:
    """Each call of another module, with the functions whose writes are not committed when it begins."""
    module(runs, "other.py", OTHER)
    directory = module(runs, "books.py", source)
    program = f"import sys\nsys.path.insert(0, {directory!r})\nimport books\nbooks.work()"
    (log,) = runs.run("-c", program, SPLITCOST_PACKAGES="books,other")
    log.check()
    held: list[int] = []
    found = []
    for record in log.records:
        if record["record"] == "uncommitted":
            held = record["calls"]
        if record["record"] == "enter":
            if log.calls[record["call"]].module == "other":
                names = (log.calls[call].name.partition(":")[2] for call in held)
                found.append(" ".join(sorted(names)))
    assert found == expected
