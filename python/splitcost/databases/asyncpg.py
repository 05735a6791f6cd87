"""asyncpg: connections and prepared statements, whose results are lists of records.

The rows of its cursors, which the server keeps, are not noted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from splitcost import _native
from splitcost.databases.statements import POSTGRESQL, replace
from splitcost.recorder import attempt

__all__ = ["follow"]

Method = Callable[..., Any]


class _Executed:
    """One statement, from before it is sent until its rows are there."""

    def __init__(self, connection: Any, in_transaction: Callable[[Any], bool], sql: Any, parameters: Any):
        self.connection = connection
        self.in_transaction = in_transaction
        self.sql = sql
        self.parameters = parameters
        self.was_in = self._is_in()
        self.begun = _native.begin_fetch()

    def _is_in(self) -> bool:
        try:
            return bool(self.in_transaction(self.connection))
        except Exception:  # It is closed, or was given back to its pool: executing will fail.
            return False

    def end(self, result: Any) -> None:
        """Note the statement, and its rows: a list, a status such as ``INSERT 0 5``, or both."""
        if not self.begun:
            return
        status = result[1] if type(result) is tuple and len(result) > 1 else result
        last = status.split()[-1] if type(status) in (bytes, str) and status else b""
        rows = int(last) if last.isdigit() else -1
        state = (self.was_in, self._is_in())
        connection = id(self.connection)
        key = id(self)
        _native.note_statement(
            self.begun, POSTGRESQL, self.sql, self.parameters, connection, state, key, rows
        )
        records = result[0] if type(result) is tuple and result else result
        _native.end_fetch(_native.begin_fetch(), key, records if type(records) is list else None, True)


def follow(module: Any) -> None:
    """Follow the classes of `asyncpg.connection`, and of the module of prepared statements that it imports."""
    connection = module.Connection
    in_transaction = connection.is_in_transaction

    async def run(of: Any, sql: Any, parameters: Any, original: Method, *args: Any, **kwargs: Any) -> Any:
        executed = attempt(_Executed, of, in_transaction, sql, parameters)
        result = None
        try:
            result = await original(*args, **kwargs)
            return result
        finally:
            if executed is not None:
                attempt(executed.end, result)

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
