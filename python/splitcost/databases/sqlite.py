"""sqlite3: its cursors and connections, which are written in C.

Rows that the app gets by iterating over a cursor are not counted: a slot of the type hands them out.
"""

from __future__ import annotations

import functools
from typing import Any

from splitcost.databases.statements import SQLITE, Driver, executing, fetching, replace

__all__ = ["follow"]


def follow(module: Any) -> None:
    """Follow the types of the module."""
    cursor, connection = module.Cursor, module.Connection
    description, rowcount = cursor.description.__get__, cursor.rowcount.__get__
    in_transaction = connection.in_transaction.__get__

    def rows(of: Any) -> int:
        count: int = rowcount(of)
        # A statement that returns rows has been executed up to the first of them.
        return count if count < 0 or description(of) is None else -1

    by_cursor = Driver(SQLITE, cursor.connection.__get__, in_transaction, rows)
    by_connection = Driver(SQLITE, lambda itself: itself, in_transaction, rows)
    for name in ("execute", "executemany", "executescript"):
        replace(cursor, name, functools.partial(executing, driver=by_cursor))
        replace(connection, name, functools.partial(executing, driver=by_connection))
    replace(cursor, "fetchone", fetching)
    replace(cursor, "fetchmany", fetching)
    replace(cursor, "fetchall", functools.partial(fetching, is_all=True))
