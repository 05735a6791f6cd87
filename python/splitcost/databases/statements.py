"""Wrappers around the methods of a driver, which note statements and rows.

A :class:`Driver` says what a wrapper has to ask of a driver's objects. It asks by the driver's own
descriptors, never by an attribute that a class of the app could have replaced.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any, NamedTuple

from splitcost import _native
from splitcost.recorder import attempt

__all__ = [
    "MYSQL",
    "POSTGRESQL",
    "SQLITE",
    "Driver",
    "ending",
    "executing",
    "executing_later",
    "fetching",
    "fetching_later",
    "replace",
]

Method = Callable[..., Any]

#: The dialects, as the native half numbers them.
SQLITE, POSTGRESQL, MYSQL = range(3)

#: A number of rows from here on stands for one that is not known.
_NO_COUNT = 1 << 62


class Driver(NamedTuple):
    """The questions that a wrapper asks of a driver's objects."""

    dialect: int
    #: The connection of an object that executes.
    connection: Callable[[Any], Any]
    #: True when a connection is in a transaction; nothing is sent to find out.
    in_transaction: Callable[[Any], bool]
    #: The number of rows of a cursor that has executed, or -1 where only fetching shows it.
    rows: Callable[[Any], int]
    #: Names of the arguments that are the text and its parameters.
    names: tuple[str, str] = ("sql", "parameters")
    #: The text that a cursor has executed, for a statement that is no text but an object of the driver.
    executed: Callable[[Any], Any] | None = None


def executing(original: Method, driver: Driver) -> Method:
    """Return a method that executes as the original does, and notes the statement."""
    begin = _native.begin_statement
    in_transaction = _in_transaction(driver)
    end = _ending(driver, _native.end_statement)

    @functools.wraps(original)
    def execute(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        begun = begin()
        if not begun:
            return original(self, *args, **kwargs)
        was_in = in_transaction(self)
        result = None
        try:
            result = original(self, *args, **kwargs)
            return result
        finally:
            attempt(end, begun, was_in, self, result, args, kwargs)

    return execute


def executing_later(original: Method, driver: Driver) -> Method:
    """Return a coroutine function that executes as the original does, and notes the statement."""
    in_transaction = _in_transaction(driver)
    end = _ending(driver, _native.note_statement)

    @functools.wraps(original)
    async def execute(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        begun = _native.begin_fetch()
        was_in = in_transaction(self)
        result = None
        try:
            result = await original(self, *args, **kwargs)
            return result
        finally:
            if begun:
                attempt(end, begun, was_in, self, result, args, kwargs)

    return execute


def _in_transaction(driver: Driver) -> Callable[[Any], bool]:
    connection_of, in_transaction = driver.connection, driver.in_transaction

    def is_in(executor: Any) -> bool:
        try:
            return bool(in_transaction(connection_of(executor)))
        except Exception:  # It is closed, or not set up: executing will fail, or set it up.
            return False

    return is_in


def _ending(driver: Driver, note: Callable[..., None]) -> Callable[..., None]:
    """Return the step that notes a statement; it runs for each, so that it calls little."""
    connection_of, in_transaction, rows_of = driver.connection, driver.in_transaction, driver.rows
    dialect, executed = driver.dialect, driver.executed
    sql_name, parameters_name = driver.names

    def end(
        begun: int, was_in: bool, executor: Any, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        connection, is_in, rows = None, False, -1
        cursor = executor
        try:
            connection = connection_of(executor)
            is_in = bool(in_transaction(connection))
            # A cursor executes and is its own result, or returns something else; a connection returns a cursor.
            cursor = result if executor is connection else executor
            rows = rows_of(cursor)
        except Exception:  # As above.
            pass
        sql = args[0] if args else kwargs.get(sql_name)
        if executed is not None and type(sql) is not str and type(sql) is not bytes:
            try:
                sql = executed(cursor)
            except Exception:  # It has failed before it was sent.
                sql = None
        note(
            begun,
            dialect,
            sql,
            args[1] if len(args) > 1 else kwargs.get(parameters_name),
            id(connection),
            (was_in, is_in),
            id(cursor) if cursor is not None else 0,
            rows if rows < _NO_COUNT else -1,
        )

    return end


def fetching(original: Method, is_all: bool = False) -> Method:
    """Return a method that fetches as the original does, and notes the rows."""
    begin, end = _native.begin_fetch, _native.end_fetch

    @functools.wraps(original)
    def fetch(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        begun = begin()
        rows = original(self, *args, **kwargs)
        if begun:
            attempt(end, begun, id(self), rows, is_all)
        return rows

    return fetch


def fetching_later(original: Method, is_all: bool = False) -> Method:
    """Return a coroutine function that fetches as the original does, and notes the rows."""

    @functools.wraps(original)
    async def fetch(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        begun = _native.begin_fetch()
        rows = await original(self, *args, **kwargs)
        if begun:
            attempt(_native.end_fetch, begun, id(self), rows, is_all)
        return rows

    return fetch


def ending(original: Method) -> Method:
    """Return a method of a connection that ends its transaction, as the original does."""

    @functools.wraps(original)
    def end(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        attempt(_native.end_transaction, id(self))
        return original(self, *args, **kwargs)

    return end


def replace(kind: type, name: str, wrapped: Callable[[Method], Method]) -> None:
    """Replace a method of a type by a wrapper around it, also where the type is written in C.

    The type stays the one that it was, so that the app sees no difference: its identity, its subclasses, and
    the factories that take it.
    """
    original = kind.__dict__.get(name)
    if original is None:
        return
    wrapper = wrapped(original)
    try:
        setattr(kind, name, wrapper)
    except TypeError:  # An immutable type. Its dictionary is the only thing that the proxy refers to.
        (namespace,) = gc.get_referents(kind.__dict__)
        _native.replace_method(kind, namespace, name, wrapper)
