"""Wrappers around the methods of a driver, which note statements and rows.

A :class:`Driver` holds what has to be asked of a driver's objects: descriptors of their types, which no class of the
app can replace, or functions of one argument.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any

from splitcost import _native
from splitcost._guard import attempt
from splitcost._native import Driver

__all__ = [
    "MYSQL",
    "POSTGRESQL",
    "SQLITE",
    "Driver",
    "ending",
    "executing",
    "executing_later",
    "follow_cursor",
    "replace",
]

Method = Callable[..., Any]

#: The dialects, as the native half numbers them.
SQLITE, POSTGRESQL, MYSQL = range(3)


def executing(original: Method, driver: Driver) -> Method:
    """Return a method that executes as the original does, and notes the statement."""
    begin, end = driver.begin, driver.end

    @functools.wraps(original)
    def execute(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        begun = begin(self)
        if not begun:
            return original(self, *args, **kwargs)
        result = None
        try:
            result = original(self, *args, **kwargs)
            return result
        finally:
            end(begun, self, result, args, kwargs)

    return execute


def executing_later(original: Method, driver: Driver) -> Method:
    """Return a coroutine function that executes as the original does, and notes the statement."""
    begin, end = driver.begin_later, driver.end

    @functools.wraps(original)
    async def execute(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        begun = begin(self)
        result = None
        try:
            result = await original(self, *args, **kwargs)
            return result
        finally:
            if begun:
                end(begun, self, result, args, kwargs)

    return execute


def fetching(original: Method, is_row: bool, is_all: bool) -> Method:
    """Return a method that fetches as the original does, and notes the row or the rows."""
    begin, end = _native.begin_fetch, _native.end_fetch

    @functools.wraps(original)
    def fetch(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        begun = begin()
        rows = original(self, *args, **kwargs)
        if begun:
            end(begun, self, rows, is_row, is_all)
        return rows

    return fetch


def fetching_later(original: Method, is_row: bool, is_all: bool) -> Method:
    """Return a coroutine function that fetches as the original does, and notes the row or the rows."""
    begin, end = _native.begin_fetch, _native.end_fetch

    @functools.wraps(original)
    async def fetch(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        begun = begin()
        rows = await original(self, *args, **kwargs)
        if begun:
            end(begun, self, rows, is_row, is_all)
        return rows

    return fetch


def ending(original: Method) -> Method:
    """Return a method of a connection that ends its transaction, as the original does."""

    @functools.wraps(original)
    def end(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        attempt(_native.end_transaction, id(self))
        return original(self, *args, **kwargs)

    return end


def follow_cursor(kind: type, driver: Driver, is_later: bool = False) -> None:
    """Replace those methods of a cursor that execute and fetch, as far as the type has them itself."""
    execute, fetch = (executing_later, fetching_later) if is_later else (executing, fetching)
    for name in ("execute", "executemany", "executescript"):
        replace(kind, name, functools.partial(execute, driver=driver))
    for name, is_row, is_all in (
        ("fetchone", True, False),
        ("fetchmany", False, False),
        ("fetchall", False, True),
    ):
        replace(kind, name, functools.partial(fetch, is_row=is_row, is_all=is_all))


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
