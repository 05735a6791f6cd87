"""Statements of the drivers of PostgreSQL, against a real server."""

from __future__ import annotations

import pytest
from recorder_support import Log, Runs
from test_statements import MAPPED, check_mapped, line_of, run, statements

SYNC = """
def work(connect, sql, host):
    with connect(host=host, user="postgres", dbname="postgres") as db:
        with db.cursor() as cursor:
            cursor.execute("CREATE TABLE book (id int, title text)")
            cursor.executemany("INSERT INTO book VALUES (%s, %s)", [(i, "secret") for i in range(5)])
            cursor.execute("UPDATE book SET title = 'secret' WHERE id < %(id)s", {"id": 2})
            db.commit()
            cursor.execute("SELECT id, title FROM book WHERE id > %s", (1,))
            assert len(cursor.fetchall()) == 3
            cursor.execute(sql.SQL("SELECT {} FROM book WHERE title = {}").format(
                sql.Identifier("id"), sql.Literal("secret")))
            assert cursor.fetchone() is not None
            db.rollback()
    db.close()

def psycopg3(host):
    import psycopg
    from psycopg import sql
    work(psycopg.connect, sql, host)

def psycopg2(host):
    import psycopg2
    from psycopg2 import extensions, sql
    db = psycopg2.connect(host=host, user="postgres", dbname="postgres")
    assert type(db.cursor()) is extensions.cursor
    db.close()
    work(psycopg2.connect, sql, host)
"""


@pytest.mark.parametrize("driver", ["psycopg3", "psycopg2"])
def test_statements_of_psycopg(runs: Runs, postgres: str, driver: str) -> None:
    """Texts, rows and transactions, also of a statement that is an object of the driver."""
    log = run(runs, "sync.py", SYNC, f"{driver}({postgres!r})")
    found = statements(log)
    assert [(s["sql"], s["transaction"]) for s in found] == [
        ("CREATE TABLE book (id int, title text)", 1),
        ("INSERT INTO book VALUES (?)", 1),
        ("UPDATE book SET title = ? WHERE id < ?", 1),
        ("SELECT id, title FROM book WHERE id > ?", 2),
        ('SELECT "id" FROM book WHERE title = ?', 2),
    ]
    assert [s["rows"] for s in found[2:4]] == [2, 3]
    assert found[3]["row_bytes"] == 3 * (8 + len("secret"))
    assert found[3]["place"] == ("sync.py", line_of(SYNC, "SELECT id, title"))
    check_secret(log)


def check_secret(log: Log) -> None:
    """Check that a value is nowhere in the log."""
    assert b"secret" not in log.path.read_bytes()


LATER = """
async def psycopg3(host):
    import psycopg
    async with await psycopg.AsyncConnection.connect(host=host, user="postgres", dbname="postgres") as db:
        await db.execute("CREATE TABLE book (id int, title text)")
        await db.execute("INSERT INTO book VALUES (%s, %s)", (1, "secret"))
        await db.commit()
        cursor = await db.execute("SELECT id, title FROM book WHERE title = 'secret'")
        assert len(await cursor.fetchall()) == 1

async def asyncpg(host):
    import asyncpg
    db = await asyncpg.connect(host=host, user="postgres", database="postgres")
    await db.execute("CREATE TABLE book (id int, title text)")
    async with db.transaction():
        await db.execute("INSERT INTO book VALUES ($1, $2)", 1, "secret")
        await db.executemany("INSERT INTO book VALUES ($1, $2)", [(2, "secret"), (3, "secret")])
    assert len(await db.fetch("SELECT id, title FROM book WHERE id > $1", 1)) == 2
    assert await db.fetchval("SELECT title FROM book WHERE title = 'secret' LIMIT 1") == "secret"
    prepared = await db.prepare("SELECT id FROM book WHERE id = $1")
    assert await prepared.fetchval(2) == 2
    await db.close()
"""


def test_statements_of_async_psycopg(runs: Runs, postgres: str) -> None:
    """The async cursors note what the others note."""
    log = run(runs, "later.py", LATER, f"asyncio.run(psycopg3({postgres!r}))")
    found = statements(log)
    assert [(s["sql"], s["rows"], s["transaction"]) for s in found[1:]] == [
        ("INSERT INTO book VALUES (?)", 1, 1),
        ("SELECT id, title FROM book WHERE title = ?", 1, 2),
    ]
    assert found[2]["row_bytes"] == 8 + len("secret")
    check_secret(log)


def test_statements_of_asyncpg(runs: Runs, postgres: str) -> None:
    """Statements with and without parameters, prepared ones, and transactions by context manager."""
    log = run(runs, "later.py", LATER, f"asyncio.run(asyncpg({postgres!r}))")
    found = statements(log)
    assert [(s["sql"], s["rows"], s["transaction"]) for s in found[1:]] == [
        ("BEGIN;", 0, 1),
        ("INSERT INTO book VALUES (?)", 1, 1),
        ("INSERT INTO book VALUES (?)", 0, 1),
        ("COMMIT;", 0, 1),
        ("SELECT id, title FROM book WHERE id > ?", 2, 0),
        ("SELECT title FROM book WHERE title = ? LIMIT ?", 1, 0),
        ("SELECT id FROM book WHERE id = ?", 1, 0),
    ]
    assert found[5]["row_bytes"] == 2 * (8 + len("secret"))
    assert found[5]["place"] == ("later.py", line_of(LATER, "SELECT id, title FROM book WHERE id >"))
    check_secret(log)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "asyncpg"])
def test_statements_of_sqlalchemy(runs: Runs, postgres: str, driver: str) -> None:
    """The mapper over each driver."""
    url = f"postgresql+{driver}://postgres@/postgres?host={postgres}"
    if driver == "asyncpg":
        log = run(runs, "mapped.py", MAPPED, f"asyncio.run(later({url!r}))")
        check_mapped(log, "later", "await session.refresh")
    else:
        check_mapped(run(runs, "mapped.py", MAPPED, f"work({url!r})"), "work", "len(author.books)")
