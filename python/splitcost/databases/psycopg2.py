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
        ("query", "vars"),
        connection=cursor.connection,
        in_transaction=lambda of: status(of) in _IN_TRANSACTION,
        rows=cursor.rowcount,
        # It holds the values, too; they are dropped with all literals.
        executed=cursor.query,
    )
    follow_cursor(cursor, driver)
