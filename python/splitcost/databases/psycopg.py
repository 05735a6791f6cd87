"""psycopg 3, sync and async."""

from __future__ import annotations

import functools
from typing import Any

from splitcost.databases.statements import (
    POSTGRESQL,
    Driver,
    executing,
    executing_later,
    fetching,
    fetching_later,
    replace,
)

__all__ = ["follow"]

#: Spec: `PGTransactionStatusType` of libpq: in a transaction, and in one that has failed.
_IN_TRANSACTION = (2, 3)


def follow(module: Any) -> None:
    """Follow the cursors of the package."""
    rows = module.Cursor.rowcount.fget
    driver = Driver(
        POSTGRESQL,
        module.Cursor.connection.fget,
        lambda connection: connection.pgconn.transaction_status in _IN_TRANSACTION,
        lambda cursor: int(rows(cursor)),
        ("query", "params"),
        lambda cursor: cursor._query.query,
    )
    for kind in (module.Cursor, module.ServerCursor):
        replace(kind, "execute", functools.partial(executing, driver=driver))
        replace(kind, "executemany", functools.partial(executing, driver=driver))
        replace(kind, "fetchone", fetching)
        replace(kind, "fetchmany", fetching)
        replace(kind, "fetchall", functools.partial(fetching, is_all=True))
    for kind in (module.AsyncCursor, module.AsyncServerCursor):
        replace(kind, "execute", functools.partial(executing_later, driver=driver))
        replace(kind, "executemany", functools.partial(executing_later, driver=driver))
        replace(kind, "fetchone", fetching_later)
        replace(kind, "fetchmany", fetching_later)
        replace(kind, "fetchall", functools.partial(fetching_later, is_all=True))
