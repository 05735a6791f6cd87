"""Database statements: by whom, where and in which transaction; never a value of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from recorder_support import Log, Runs


def statements(log: Log) -> list[dict[str, Any]]:
    """The statements of a log with their texts, sites, callers and rows."""
    texts = {r["id"]: r["sql"] for r in log.records if r["record"] == "statement_text"}
    sites = {r["id"]: (Path(r["file"]).name, r["line"]) for r in log.records if r["record"] == "site"}
    found = {r["statement"]: dict(r) for r in log.records if r["record"] == "statement"}
    for statement in found.values():
        statement["sql"] = texts[statement["text"]]
        statement["place"] = sites.get(statement["site"])
        statement["by"] = log.calls[statement["call"]].name
        statement["row_bytes"] = 0
    for r in log.records:
        if r["record"] == "rows":
            found[r["statement"]]["rows"] += r["rows"]
            found[r["statement"]]["row_bytes"] += r["bytes"]
    return list(found.values())


def texts(log: Log) -> list[str]:
    """The texts of the statements, in order."""
    return [statement["sql"] for statement in statements(log)]


def line_of(source: str, text: str) -> int:
    """The line of a text in a source file."""
    return next(i for i, line in enumerate(source.splitlines(), 1) if text in line)


def module(runs: Runs, name: str, source: str) -> str:
    """Write a module under recording; gives the directory for PYTHONPATH."""
    directory = runs.directory.parent / "more"
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(source)
    return str(directory)


def run(runs: Runs, name: str, source: str, call: str) -> Log:
    """Run a call with the names of a module; gives its log, which has passed every check."""
    directory = module(runs, name, source)
    package = name.removesuffix(".py")
    program = f"import asyncio, sys\nsys.path.insert(0, {directory!r})\nfrom {package} import *\n{call}"
    (log,) = runs.run("-c", program, SPLITCOST_PACKAGES=package)
    log.check()
    return log


PLAIN = """
import sqlite3

def work(path=":memory:"):
    with sqlite3.connect(path) as db:
        assert type(db) is sqlite3.Connection
        db.execute("CREATE TABLE book (id INTEGER, title TEXT)")
        cursor = db.cursor()
        assert type(cursor) is sqlite3.Cursor
        cursor.executemany("INSERT INTO book VALUES (?, ?)", [(i, "t" * 10) for i in range(50)])
        cursor.execute("UPDATE book SET title = 'secret' WHERE id < :id", {"id": 10})
        db.commit()
        assert len(cursor.execute("SELECT * FROM book WHERE id != 7").fetchall()) == 49
        cursor.execute("SELECT id FROM book LIMIT 3")
        while cursor.fetchone():
            pass
        db.execute("DELETE FROM book WHERE id = 1")
        db.rollback()

class Counting(sqlite3.Cursor):
    def execute(self, *args):
        return super().execute(*args)

def own_cursor():
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.cursor(Counting).execute("SELECT 1").fetchmany(5)
    db.row_factory = sqlite3.Row
    db.execute("SELECT 'abcdefgh' AS a, 2 AS b").fetchall()
    db.execute("BEGIN")
    db.execute("SELECT 2").fetchone()
    db.execute("COMMIT")
    db.execute("SELECT 3").fetchone()

def wrong():
    db = sqlite3.connect(":memory:")
    for sql in ("SELECT FROM", "SELECT 'secret", 5):
        try:
            db.execute(sql)
        except (sqlite3.Error, TypeError) as error:
            print(type(error).__name__)
    db.close()
    try:
        db.execute("SELECT 1")
    except sqlite3.ProgrammingError as error:
        print(error)
"""


def test_statements_of_sqlite3(runs: Runs) -> None:
    """The types stay what they were; rows, transactions, callers and call sites are right."""
    found = statements(run(runs, "plain.py", PLAIN, "work()"))
    rows = [(s["sql"], s["rows"], s["transaction"]) for s in found]
    assert rows == [
        ("CREATE TABLE book (id INTEGER, title TEXT)", 0, 0),
        ("INSERT INTO book VALUES (?)", 50, 1),
        ("UPDATE book SET title = ? WHERE id < ?", 10, 1),
        ("SELECT * FROM book WHERE id != ?", 49, 0),
        ("SELECT id FROM book LIMIT ?", 3, 0),
        ("DELETE FROM book WHERE id = ?", 1, 2),
    ]
    assert {s["by"] for s in found} == {"plain:work"}
    assert found[1]["place"] == ("plain.py", line_of(PLAIN, "executemany"))
    assert found[1]["parameter_bytes"] == 50 * 18
    assert found[4]["row_bytes"] == 3 * 8
    assert all(s["nanos"] > 0 for s in found)


def test_a_statement_is_noted_once_through_factories_and_in_explicit_transactions(runs: Runs) -> None:
    """A cursor of the app's own, rows of another type, and transactions that the app begins by itself."""
    found = statements(run(runs, "plain.py", PLAIN, "own_cursor()"))
    assert [(s["sql"], s["rows"], s["transaction"]) for s in found] == [
        ("SELECT ?", 1, 0),
        ("SELECT ? AS a, ? AS b", 1, 0),
        ("BEGIN", 0, 1),
        ("SELECT ?", 1, 1),
        ("COMMIT", 0, 1),
        ("SELECT ?", 1, 0),
    ]
    assert found[1]["row_bytes"] == 16


def test_a_failing_statement_fails_as_without_the_recorder(runs: Runs) -> None:
    """Errors reach the app unchanged, and switch nothing off; a text in doubt is dropped wholly."""
    log = run(runs, "plain.py", PLAIN, "wrong()")
    expected = ["OperationalError", "OperationalError", "TypeError", "Cannot operate on a closed database."]
    assert runs.stdout.splitlines() == expected
    assert texts(log) == ["SELECT FROM", "", "", "SELECT ?"]


MAPPED = """
import asyncio
from sqlalchemy import Column, ForeignKey, Table, create_engine, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

class Base(DeclarativeBase):
    pass

class Author(Base):
    __tablename__ = "Author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list["Book"]] = relationship()

class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("Author.id"))
    sequels: Mapped[list["Book"]] = relationship(
        secondary=lambda: sequel,
        primaryjoin=lambda: Book.id == sequel.c.book,
        secondaryjoin=lambda: Book.id == sequel.c.next,
    )

sequel = Table(
    "sequel", Base.metadata, Column("book", ForeignKey("book.id")), Column("next", ForeignKey("book.id"))
)

def fill(session):
    session.add_all([Author(name="secret", books=[Book(), Book()]) for _ in range(3)])

def work(url="sqlite://"):
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        fill(session)
        session.commit()
    with Session(engine) as session:
        for author in session.scalars(select(Author).where(Author.name.in_(["secret", "b"]))):
            len(author.books)
    engine.dispose()

async def later(url):
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session:
        fill(session)
        await session.commit()
    async with AsyncSession(engine) as session:
        for author in await session.scalars(select(Author)):
            await session.refresh(author, ["books"])
    await engine.dispose()
"""


def check_mapped(log: Log, call: str, loop: str, source: str = MAPPED) -> None:
    """Check the statements of a function of ``mapped.py``: those that insert share a transaction, loops are seen."""
    found = statements(log)
    inserts = [s for s in found if s["sql"].startswith("INSERT")]
    assert len({s["transaction"] for s in inserts}) == 1
    assert inserts[0]["transaction"] != 0
    assert {s["by"] for s in found} == {f"mapped:{call}"}
    in_loop = [s for s in found if "FROM book" in s["sql"] and "SELECT" in s["sql"]]
    assert len({s["text"] for s in in_loop}) == 1
    assert [s["rows"] for s in in_loop] == [2, 2, 2]
    assert [s["place"] for s in in_loop] == [("mapped.py", line_of(source, loop))] * 3
    tables = {r["name"]: r["module"] for r in log.records if r["record"] == "table"}
    assert tables == {"Author": "mapped", "book": "mapped", "sequel": "mapped"}
    assert "secret" not in repr(log.records)


def test_statements_of_sqlalchemy(runs: Runs) -> None:
    """The mapper's statements are those of its driver, and the classes say who owns the tables."""
    check_mapped(run(runs, "mapped.py", MAPPED, "work()"), "work", "len(author.books)")


def test_statements_of_async_sqlalchemy(runs: Runs) -> None:
    """Statements that a thread executes belong to the coroutine that awaits them."""
    url = f"sqlite+aiosqlite:///{runs.directory.parent}/later.db"
    log = run(runs, "mapped.py", MAPPED, f"asyncio.run(later({url!r}))")
    check_mapped(log, "later", "await session.refresh")


#: Takes the quotes of either dialect out of a text.
UNQUOTED = str.maketrans("", "", '"`')
MODELS = """
import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["models"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
from django.apps import AppConfig, apps
from django.db import connection, models, transaction

def main():
    class Author(models.Model):
        name = models.CharField(max_length=20)
        class Meta:
            app_label = "models"

    class Book(models.Model):
        author = models.ForeignKey(Author, models.CASCADE, related_name="books")
        class Meta:
            app_label = "models"
            db_table = "books"

    with connection.schema_editor() as editor:
        editor.create_model(Author)
        editor.create_model(Book)
    return Author, Book

def work():
    django.setup()
    Author, Book = main()
    with transaction.atomic():
        for _ in range(3):
            author = Author.objects.create(name="secret")
            Book.objects.bulk_create([Book(author=author), Book(author=author)])
    for author in Author.objects.filter(name__in=["secret", "b"]):
        len(author.books.all())
"""


def check_models(log: Log, source: str = MODELS) -> None:
    """Check the statements of ``models.py``: each once, those that insert in one transaction, loops seen."""
    found = statements(log)
    inserts = [s for s in found if s["sql"].startswith("INSERT")]
    assert len(inserts) == 6
    assert len({s["transaction"] for s in inserts}) == 1
    in_loop = [s for s in found if "FROM books" in s["sql"].translate(UNQUOTED) and "SELECT" in s["sql"]]
    assert [s["rows"] for s in in_loop] == [2, 2, 2]
    assert {s["place"] for s in in_loop} == {("models.py", line_of(source, "len(author.books"))}
    tables = {r["name"]: r["module"] for r in log.records if r["record"] == "table"}
    assert tables == {"models_author": "models", "books": "models"}
    assert "secret" not in repr(log.records)


def test_statements_of_django(runs: Runs) -> None:
    """Django's own cursor is one of sqlite3's; its models say who owns the tables."""
    check_models(run(runs, "models.py", MODELS, "work()"))


CANARY = """
import sqlite3

def work(statements):
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (a TEXT, b BLOB)")
    for sql, parameters in statements:
        try:
            db.execute(sql, parameters).fetchall()
        except sqlite3.Error:
            pass
"""


def test_no_value_is_written(runs: Runs) -> None:
    """Literals of every style, comments and parameters: none of them is in the log, nor in another thread's."""
    rng = random.Random(7)
    canaries = [f"zq{rng.getrandbits(60):x}k" for _ in range(40)]

    def of(index: int) -> tuple[str, Any]:
        canary = canaries[index]
        styles: list[tuple[str, Any]] = [
            (f"SELECT a FROM t WHERE a = '{canary}'", ()),
            (f"SELECT a FROM t WHERE a = 'it''s {canary}' AND b = X'{canary.encode().hex()}'", ()),
            (f'SELECT a FROM t WHERE a = "{canary}"', ()),
            (f"SELECT a FROM t -- {canary}\n", ()),
            (f"SELECT a /* {canary} */ FROM t", ()),
            ("INSERT INTO t VALUES (?, ?)", (canary, canary.encode())),
            ("SELECT a FROM t WHERE a = :a", {"a": canary}),
            (f"SELECT a FROM t WHERE a = '{canary}", ()),
            (f"INSERT INTO t VALUES ('{canary}', '\\'), ('\\', '{canary}')", ()),
            (f"SELECT a FROM t WHERE a IN ('{canary}', 1, -2.5e3, '{canary}')", ()),
        ]
        return styles[index % len(styles)]

    program = f"work({[of(index) for index in range(len(canaries))]!r})"
    log = run(runs, "canary.py", CANARY, program)
    assert len(statements(log)) == 1 + len(canaries)
    for canary in canaries:
        assert canary.encode() not in log.path.read_bytes(), canary
        assert canary.encode().hex().encode() not in log.path.read_bytes(), canary


def test_many_texts_are_bounded(runs: Runs) -> None:
    """An app that makes up names has no end of texts: those too many are counted without their text."""
    program = "work([(f'SELECT 1 AS a{i}', ()) for i in range(6_000)])"
    log = run(runs, "canary.py", CANARY, program)
    found = texts(log)
    assert len(found) == 6_001
    assert len(set(found)) == 5_001
    assert found[-1] == ""


@pytest.mark.parametrize("call", ["fork()", "later()"])
def test_children_know_the_texts(runs: Runs, call: str) -> None:
    """A forked child's log is complete by itself; so is the log of a process with threads."""
    source = (
        CANARY
        + """
import os, threading

def one():
    work([("SELECT a FROM t", ())])

def fork():
    one()
    child = os.fork()
    if not child:
        one()
        from splitcost import _native
        _native.finish()
        os._exit(0)
    os.waitpid(child, 0)

def later():
    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
    )
    directory = module(runs, "canary.py", source)
    program = f"import sys\nsys.path.insert(0, {directory!r})\nfrom canary import *\n{call}"
    logs = runs.run("-c", program, SPLITCOST_PACKAGES="canary")
    expected = ["CREATE TABLE t (a TEXT, b BLOB)", "SELECT a FROM t"]
    found = [sql for log in logs for sql in texts(log)]
    assert sorted(found) == sorted(expected * 2)
