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

    def driver(connection_of: Any) -> Driver:
        return Driver(
            SQLITE,
            ("sql", "parameters"),
            connection_of,
            in_transaction=connection.in_transaction,
            rows=cursor.rowcount,
            # A statement that returns rows has been executed up to the first of them.
            rows_to_come=cursor.description,
        )

    follow_cursor(cursor, driver(cursor.connection))
    follow_cursor(connection, driver(None))
