"""Statements of PyMySQL, mysqlclient and aiomysql, against a real MariaDB."""

from __future__ import annotations

import pytest
from recorder_support import Log, Runs
from test_statements import MAPPED, MODELS, check_mapped, check_models, line_of, run, statements

SYNC = """
def sync(driver, socket):
    db = driver.connect(unix_socket=socket, user="root")
    cursor = db.cursor()
    cursor.execute("CREATE DATABASE shop")
    cursor.execute("USE shop")
    cursor.execute("CREATE TABLE book (id int, title text)")
    cursor.executemany("INSERT INTO book VALUES (%s, %s)", [(i, "secret") for i in range(5)])
    cursor.execute("UPDATE book SET title = 'secr''et' WHERE id < %(id)s", {"id": 2})
    db.commit()
    cursor.execute('SELECT id, title FROM book WHERE title = "secret" AND id > %s # secret', (1,))
    assert len(cursor.fetchall()) == 3
    stream = db.cursor(driver.cursors.SSCursor)
    stream.execute("SELECT id FROM `book`")
    assert len(stream.fetchmany(2)) == 2
    assert len(stream.fetchall()) == 3
    cursor.executemany("DELETE FROM book WHERE id = %s", [(1,), (2,)])
    db.close()

def begun(driver, socket):
    db = driver.connect(unix_socket=socket, user="root", autocommit=True)
    cursor = db.cursor()
    cursor.execute("SELECT 1 AS a")
    db.begin()
    cursor.execute("SELECT 2 AS b")
    cursor.execute("SELECT 3 AS c")
    db.commit()
    cursor.execute("SELECT 4 AS d")
    db.begin()
    cursor.execute("SELECT 5 AS e")
    db.rollback()
    db.close()

async def aiomysql(socket):
    import aiomysql
    db = await aiomysql.connect(unix_socket=socket, user="root")
    cursor = await db.cursor()
    await cursor.execute("CREATE DATABASE shop")
    await cursor.execute("USE shop")
    await cursor.execute("CREATE TABLE book (id int, title text)")
    await cursor.executemany("INSERT INTO book VALUES (%s, %s)", [(i, "secret") for i in range(5)])
    await db.commit()
    await cursor.execute('SELECT id, title FROM book WHERE title = "secret"')
    assert len(await cursor.fetchall()) == 5
    db.close()
"""


def check_secret(log: Log) -> None:
    """Check that a value is nowhere in the log."""
    assert b"secr" not in log.path.read_bytes()


@pytest.mark.parametrize("driver", ["pymysql", "MySQLdb"])
def test_statements_of_pymysql_and_mysqlclient(runs: Runs, mariadb: str, driver: str) -> None:
    """Texts, rows and transactions; many rows at once are one statement."""
    log = run(runs, "sync.py", SYNC, f"import {driver}\nsync({driver}, {mariadb!r})")
    found = statements(log)[3:]
    assert [(s["sql"], s["rows"]) for s in found] == [
        ("INSERT INTO book VALUES (?)", 5),
        ("UPDATE book SET title = ? WHERE id < ?", 2),
        ('SELECT id, title FROM book WHERE title = "_" AND id > ?', 3),
        ("SELECT id FROM `book`", 5),
        ("DELETE FROM book WHERE id = ?", 2),
    ]
    assert found[0]["transaction"] == found[1]["transaction"] != 0
    assert found[2]["transaction"] not in (0, found[1]["transaction"])
    assert [s["row_bytes"] for s in found[2:4]] == [3 * (8 + len("secret")), 5 * 8]
    assert found[2]["place"] == ("sync.py", line_of(SYNC, "SELECT id, title"))
    check_secret(log)


@pytest.mark.parametrize("driver", ["pymysql", "MySQLdb"])
def test_transactions_that_the_app_begins(runs: Runs, mariadb: str, driver: str) -> None:
    """A connection that commits each statement by itself, except in a transaction."""
    log = run(runs, "sync.py", SYNC, f"import {driver}\nbegun({driver}, {mariadb!r})")
    assert [s["transaction"] for s in statements(log)] == [0, 1, 1, 0, 2]


def test_statements_of_aiomysql(runs: Runs, mariadb: str) -> None:
    """The same, by coroutines."""
    log = run(runs, "sync.py", SYNC, f"asyncio.run(aiomysql({mariadb!r}))")
    found = statements(log)[3:]
    assert [(s["sql"], s["rows"]) for s in found] == [
        ("INSERT INTO book VALUES (?)", 5),
        ('SELECT id, title FROM book WHERE title = "_"', 5),
    ]
    assert found[0]["transaction"] != 0
    check_secret(log)


@pytest.mark.parametrize("driver", ["pymysql", "mysqldb", "aiomysql"])
def test_statements_of_sqlalchemy(runs: Runs, mariadb: str, driver: str) -> None:
    """The mapper over each driver; MySQL wants the length of a text."""
    source = MAPPED.replace("name: Mapped[str]", "name: Mapped[str] = mapped_column(String(20))")
    source = source.replace("import Column, ForeignKey,", "import Column, ForeignKey, String,")
    url = f"mysql+{driver}://root@/test?unix_socket={mariadb}"
    is_later = driver == "aiomysql"
    call = f"asyncio.run(later({url!r}))" if is_later else f"work({url!r})"
    log = run(runs, "mapped.py", source, call)
    loop = "await session.refresh" if is_later else "len(author.books)"
    check_mapped(log, "later" if is_later else "work", loop, source)


def test_statements_of_django(runs: Runs, mariadb: str) -> None:
    """Django's cursor wraps one of mysqlclient's: each statement is noted once."""
    options = f"'NAME': 'test', 'USER': 'root', 'OPTIONS': {{'unix_socket': {mariadb!r}}}"
    source = MODELS.replace(
        'django.db.backends.sqlite3", "NAME": ":memory:"', f'django.db.backends.mysql", {options}'
    )
    check_models(run(runs, "models.py", source, "work()"), source)
