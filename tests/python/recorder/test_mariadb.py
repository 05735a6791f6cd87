"""Statements of PyMySQL and aiomysql, against a real MariaDB."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mariadb_support import server
from recorder_support import Log, Runs
from test_statements import MAPPED, check_mapped, line_of, run, statements


@pytest.fixture(scope="module")
def socket() -> Iterator[str]:
    """The socket of a server."""
    with server() as path:
        yield path


SYNC = """
def pymysql(socket):
    import pymysql
    db = pymysql.connect(unix_socket=socket, user="root")
    cursor = db.cursor()
    cursor.execute("CREATE DATABASE IF NOT EXISTS shop")
    cursor.execute("USE shop")
    cursor.execute("CREATE OR REPLACE TABLE book (id int, title text)")
    cursor.executemany("INSERT INTO book VALUES (%s, %s)", [(i, "secret") for i in range(5)])
    cursor.execute("UPDATE book SET title = 'secr''et' WHERE id < %(id)s", {"id": 2})
    db.commit()
    cursor.execute('SELECT id, title FROM book WHERE title = "secret" AND id > %s # secret', (1,))
    assert len(cursor.fetchall()) == 3
    stream = db.cursor(pymysql.cursors.SSCursor)
    stream.execute("SELECT id FROM `book`")
    assert len(stream.fetchall()) == 5
    db.close()

async def aiomysql(socket):
    import aiomysql
    db = await aiomysql.connect(unix_socket=socket, user="root")
    cursor = await db.cursor()
    await cursor.execute("CREATE DATABASE IF NOT EXISTS shop")
    await cursor.execute("USE shop")
    await cursor.execute("CREATE OR REPLACE TABLE book (id int, title text)")
    await cursor.executemany("INSERT INTO book VALUES (%s, %s)", [(i, "secret") for i in range(5)])
    await db.commit()
    await cursor.execute('SELECT id, title FROM book WHERE title = "secret"')
    assert len(await cursor.fetchall()) == 5
    db.close()
"""


def check_secret(log: Log) -> None:
    """Check that a value is nowhere in the log."""
    assert b"secr" not in log.path.read_bytes()


def test_statements_of_pymysql(runs: Runs, socket: str) -> None:
    """Texts, rows and transactions; many rows at once are one statement."""
    log = run(runs, "sync.py", SYNC, f"pymysql({socket!r})")
    found = statements(log)[3:]
    assert [(s["sql"], s["rows"]) for s in found] == [
        ("INSERT INTO book VALUES (?)", 5),
        ("UPDATE book SET title = ? WHERE id < ?", 2),
        ('SELECT id, title FROM book WHERE title = "_" AND id > ?', 3),
        ("SELECT id FROM `book`", 5),
    ]
    assert found[0]["transaction"] == found[1]["transaction"] != 0
    assert found[2]["transaction"] not in (0, found[1]["transaction"])
    assert found[2]["row_bytes"] == 3 * (8 + len("secret"))
    assert found[2]["place"] == ("sync.py", line_of(SYNC, "SELECT id, title"))
    check_secret(log)


def test_statements_of_aiomysql(runs: Runs, socket: str) -> None:
    """The same, by coroutines."""
    log = run(runs, "sync.py", SYNC, f"asyncio.run(aiomysql({socket!r}))")
    found = statements(log)[3:]
    assert [(s["sql"], s["rows"]) for s in found] == [
        ("INSERT INTO book VALUES (?)", 5),
        ('SELECT id, title FROM book WHERE title = "_"', 5),
    ]
    assert found[0]["transaction"] != 0
    check_secret(log)


@pytest.mark.parametrize("driver", ["pymysql", "aiomysql"])
def test_statements_of_sqlalchemy(runs: Runs, socket: str, driver: str) -> None:
    """The mapper over each driver; MySQL wants the length of a text."""
    source = MAPPED.replace("name: Mapped[str]", "name: Mapped[str] = mapped_column(String(20))")
    source = source.replace("import ForeignKey,", "import ForeignKey, String,")
    url = f"mysql+{driver}://root@/test?unix_socket={socket}"
    make = f"import pymysql; pymysql.connect(unix_socket={socket!r}, user='root').cursor().execute("
    make += "'CREATE DATABASE IF NOT EXISTS test')\n"
    call = f"work({url!r})" if driver == "pymysql" else f"asyncio.run(later({url!r}))"
    log = run(runs, "mapped.py", source, make + call)
    loop = "len(author.books)" if driver == "pymysql" else "await session.refresh"
    check_mapped(log, "work" if driver == "pymysql" else "later", loop, source)
