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
    "POSTGRESQL",
    "SQLITE",
    "Driver",
    "executing",
    "executing_later",
    "fetching",
    "fetching_later",
    "replace",
]

Method = Callable[..., Any]

#: The dialects, as the native half numbers them.
SQLITE, POSTGRESQL = range(2)


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

    def state(self, executor: Any) -> tuple[Any, bool]:
        """Return the connection, and whether it is in a transaction."""
        try:
            connection = self.connection(executor)
            return connection, bool(self.in_transaction(connection))
        except Exception:  # It is closed, or not set up: executing will fail, or set it up.
            return None, False

    def counted(self, cursor: Any) -> int:
        """Return the number of rows, or -1."""
        try:
            return int(self.rows(cursor))
        except Exception:  # As above.
            return -1

    def argument(self, position: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the text (0) or the parameters (1) of a call."""
        if position < len(args):
            return args[position]
        return kwargs.get(self.names[position])

    def text(self, cursor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the text of a call."""
        text = self.argument(0, args, kwargs)
        if self.executed is not None and type(text) not in (str, bytes):
            try:
                return self.executed(cursor)
            except Exception:  # It has failed before it was sent.
                return None
        return text


def executing(original: Method, driver: Driver) -> Method:
    """Return a method that executes as the original does, and notes the statement."""

    @functools.wraps(original)
    def execute(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        before = attempt(_begin, driver, self)
        if before is None:
            return original(self, *args, **kwargs)
        result = None
        try:
            result = original(self, *args, **kwargs)
            return result
        finally:
            attempt(_end, _native.end_statement, driver, self, result, before, args, kwargs)

    return execute


def executing_later(original: Method, driver: Driver) -> Method:
    """Return a coroutine function that executes as the original does, and notes the statement."""

    @functools.wraps(original)
    async def execute(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        before = attempt(_begin_later, driver, self)
        if before is None:
            return await original(self, *args, **kwargs)
        result = None
        try:
            result = await original(self, *args, **kwargs)
            return result
        finally:
            attempt(_end, _native.note_statement, driver, self, result, before, args, kwargs)

    return execute


def _begin(driver: Driver, executor: Any) -> tuple[int, bool] | None:
    _, was_in = driver.state(executor)
    begun = _native.begin_statement()
    return (begun, was_in) if begun else None


def _begin_later(driver: Driver, executor: Any) -> tuple[int, bool] | None:
    _, was_in = driver.state(executor)
    begun = _native.begin_fetch()
    return (begun, was_in) if begun else None


def _end(
    note: Callable[..., None],
    driver: Driver,
    executor: Any,
    result: Any,
    before: tuple[int, bool],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    connection, is_in = driver.state(executor)
    # A cursor executes and is its own result, or returns something else; a connection returns a new cursor.
    cursor = result if executor is connection else executor
    note(
        before[0],
        driver.dialect,
        driver.text(cursor, args, kwargs),
        driver.argument(1, args, kwargs),
        id(connection),
        (before[1], is_in),
        id(cursor) if cursor is not None else 0,
        driver.counted(cursor),
    )


def fetching(original: Method, is_all: bool = False) -> Method:
    """Return a method that fetches as the original does, and notes the rows."""

    @functools.wraps(original)
    def fetch(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        begun = attempt(_native.begin_fetch)
        rows = original(self, *args, **kwargs)
        if begun:
            attempt(_native.end_fetch, begun, id(self), rows, is_all)
        return rows

    return fetch


def fetching_later(original: Method, is_all: bool = False) -> Method:
    """Return a coroutine function that fetches as the original does, and notes the rows."""

    @functools.wraps(original)
    async def fetch(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        begun = attempt(_native.begin_fetch)
        rows = await original(self, *args, **kwargs)
        if begun:
            attempt(_native.end_fetch, begun, id(self), rows, is_all)
        return rows

    return fetch


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
