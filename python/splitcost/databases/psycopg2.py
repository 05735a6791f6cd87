"""psycopg2: its cursor, which is written in C."""

from __future__ import annotations

from typing import Any

from splitcost.databases.statements import POSTGRESQL, Driver, follow_cursor

__all__ = ["follow"]

#: Spec: `PGTransactionStatusType` of libpq: in a transaction, and in one that has failed.
_IN_TRANSACTION = (2, 3)


def follow(module: Any) -> None:
    """Follow the cursors of `psycopg2.extensions`."""
    cursor, connection = module.cursor, module.connection
    status = connection.get_transaction_status
    driver = Driver(
        POSTGRESQL,
        cursor.connection.__get__,
        lambda of: status(of) in _IN_TRANSACTION,
        cursor.rowcount.__get__,
        ("query", "vars"),
        # It holds the values, too; they are dropped with all literals.
        cursor.query.__get__,
    )
    follow_cursor(cursor, driver)
