"""PyMySQL and aiomysql, which is made after it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from splitcost.databases.statements import MYSQL, Driver, ending, executing_later, follow_cursor, replace

__all__ = ["driver_of", "follow", "follow_connections", "follow_later"]

#: Spec: `SERVER_STATUS_IN_TRANS` and `SERVER_STATUS_AUTOCOMMIT` of the protocol. The drivers do not read them behind
#: rows, so that the ends of transactions are followed, too.
_IN_TRANSACTION, _AUTOCOMMIT = 1, 2


def _in_transaction(connection: Any) -> bool:
    status: int = connection.server_status
    return bool(status & _IN_TRANSACTION) or not status & _AUTOCOMMIT


def driver_of(in_transaction: Callable[[Any], bool]) -> Driver:
    """Return a driver whose connections answer this question."""
    return Driver(
        MYSQL,
        ("query", "args"),
        connection=lambda cursor: cursor.connection,
        in_transaction=in_transaction,
        rows=lambda cursor: cursor.rowcount,
    )


_DRIVER = driver_of(_in_transaction)


def follow_connections(module: Any) -> None:
    """Follow the ends of transactions in `pymysql.connections` or `aiomysql.connection`."""
    for name in ("begin", "commit", "rollback"):
        replace(module.Connection, name, ending)


def follow(module: Any) -> None:
    """Follow the cursors of `pymysql.cursors`. Its `executemany` executes, too: that counts once."""
    for kind in (module.Cursor, module.SSCursor):
        follow_cursor(kind, _DRIVER)


def follow_later(module: Any) -> None:
    """Follow the cursors of `aiomysql.cursors`, whose other methods execute by this one.

    Its rows are there when it has executed: their number is known, and fetching them takes no time.
    """
    replace(module.Cursor, "execute", functools.partial(executing_later, driver=_DRIVER))
