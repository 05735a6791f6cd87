"""psycopg 3, sync and async."""

from __future__ import annotations

from typing import Any

from splitcost.databases.statements import POSTGRESQL, Driver, follow_cursor

__all__ = ["follow"]

#: Spec: `PGTransactionStatusType` of libpq: in a transaction, and in one that has failed.
_IN_TRANSACTION = (2, 3)


def follow(module: Any) -> None:
    """Follow the cursors of the package."""
    driver = Driver(
        POSTGRESQL,
        ("query", "params"),
        connection=module.Cursor.connection,
        in_transaction=lambda connection: connection.pgconn.transaction_status in _IN_TRANSACTION,
        rows=module.Cursor.rowcount,
        executed=lambda cursor: cursor._query.query,
    )
    for kind in (module.Cursor, module.ServerCursor):
        follow_cursor(kind, driver)
    for kind in (module.AsyncCursor, module.AsyncServerCursor):
        follow_cursor(kind, driver, is_later=True)
