"""mysqlclient, whose connections are written in C."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

from splitcost import _native
from splitcost._guard import attempt
from splitcost.databases.mysql import driver_of
from splitcost.databases.statements import ending, follow_cursor, replace

__all__ = ["follow"]

Method = Callable[..., Any]

#: Connections on which the app has begun a transaction, by their addresses. The driver does not say.
_begun: dict[int, weakref.ref[Any]] = {}


def follow(module: Any) -> None:
    """Follow the classes of `MySQLdb.connections`, and of the module of cursors that it imports."""
    native = getattr(module, "_mysql", None)
    if native is None:  # It is PyMySQL under another name.
        return
    commits_each = native.connection.get_autocommit

    def in_transaction(connection: Any) -> bool:
        return not commits_each(connection) or id(connection) in _begun

    driver = driver_of(in_transaction)
    cursors = module.cursors
    for kind in (cursors.BaseCursor, cursors.CursorStoreResultMixIn, cursors.CursorUseResultMixIn):
        follow_cursor(kind, driver)
    replace(module.Connection, "begin", _beginning)
    for name in ("commit", "rollback"):
        replace(native.connection, name, _ending)


def _beginning(original: Method) -> Method:
    begin = ending(original)

    @functools.wraps(original)
    def begin_transaction(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        result = begin(self, *args, **kwargs)
        attempt(_note_begun, self)
        return result

    return begin_transaction


def _note_begun(connection: Any) -> None:
    address = id(connection)
    _begun[address] = weakref.ref(connection, lambda _: _begun.pop(address, None))


def _ending(original: Method) -> Method:
    @functools.wraps(original)
    def end(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        attempt(_forget, self)
        return original(self, *args, **kwargs)

    return end


def _forget(connection: Any) -> None:
    _begun.pop(id(connection), None)
    _native.end_transaction(id(connection))
