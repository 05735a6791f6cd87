"""asyncpg: connections and prepared statements, whose results are lists of records.

The rows of its cursors, which the server keeps, are not noted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from splitcost import _native
from splitcost._guard import attempt
from splitcost.databases.statements import POSTGRESQL, Driver, replace

__all__ = ["follow"]

Method = Callable[..., Any]


def _rows(result: Any) -> int:
    """Return the number of rows of a result: a list, a status such as ``INSERT 0 5``, or both."""
    status = result[1] if type(result) is tuple and len(result) > 1 else result
    last = status.split()[-1] if type(status) in (bytes, str) and status else b""
    return int(last) if last.isdigit() else -1


def _end(driver: Driver, begun: int, connection: Any, result: Any, sql: Any, parameters: Any) -> None:
    """Note a statement, and its rows."""
    driver.end(begun, connection, result, (sql, parameters), {})
    records = result[0] if type(result) is tuple and result else result
    fetched = records if type(records) is list else None
    _native.end_fetch(_native.begin_fetch(), result, fetched, False, True)


def follow(module: Any) -> None:
    """Follow the classes of `asyncpg.connection`, and of the module of prepared statements that it imports."""
    connection = module.Connection
    driver = Driver(POSTGRESQL, ("query", "args"), None, connection.is_in_transaction, _rows)

    async def run(of: Any, sql: Any, parameters: Any, original: Method, *args: Any, **kwargs: Any) -> Any:
        begun = driver.begin_later(of)
        result = None
        try:
            result = await original(*args, **kwargs)
            return result
        finally:
            if begun:
                attempt(_end, driver, begun, of, result, sql, parameters)

    def with_parameters(original: Method) -> Method:
        @functools.wraps(original)
        async def execute(self: Any, query: Any, args: Any, /, *more: Any, **kwargs: Any) -> Any:
            return await run(self, query, args, original, self, query, args, *more, **kwargs)

        return execute

    def plain(original: Method) -> Method:
        @functools.wraps(original)
        async def execute(self: Any, query: Any, /, *args: Any, **kwargs: Any) -> Any:
            if args:  # It is executed by the method above.
                return await original(self, query, *args, **kwargs)
            return await run(self, query, None, original, self, query, **kwargs)

        return execute

    def prepared(original: Method) -> Method:
        @functools.wraps(original)
        async def execute(self: Any, args: Any, /, *more: Any, **kwargs: Any) -> Any:
            return await run(self._connection, self._query, args, original, self, args, *more, **kwargs)

        return execute

    replace(connection, "_execute", with_parameters)
    replace(connection, "_executemany", with_parameters)
    replace(connection, "execute", plain)
    for name in ("_PreparedStatement__bind_execute", "executemany", "fetchmany"):
        replace(module.prepared_stmt.PreparedStatement, name, prepared)
