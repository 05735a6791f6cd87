"""sqlite3: its cursors and connections, which are written in C.

Rows that the app gets by iterating over a cursor are not counted: a slot of the type hands them out.
"""

from __future__ import annotations

from typing import Any

from splitcost.databases.statements import SQLITE, Driver, follow_cursor

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

    names = ("sql", "parameters")
    by_cursor = Driver(SQLITE, cursor.connection.__get__, in_transaction, rows, names)
    by_connection = Driver(SQLITE, None, in_transaction, rows, names)
    follow_cursor(cursor, by_cursor)
    follow_cursor(connection, by_connection)
