"""aiosqlite: the thread of a connection executes what a coroutine hands to it."""

from __future__ import annotations

import functools
from typing import Any

from splitcost import _native
from splitcost.databases.statements import SQLITE
from splitcost.recorder import attempt

__all__ = ["follow"]


def follow(module: Any) -> None:
    """Follow the functions that are handed over: sqlite3 notes the statements that they execute."""
    original = module.Connection._execute

    @functools.wraps(original)
    def execute(self: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
        handed = attempt(_handed, fn, args)
        return original(self, fn if handed is None else handed, *args, **kwargs)

    module.Connection._execute = execute


def _handed(function: Any, args: tuple[Any, ...]) -> Any:
    if args and "execute" in getattr(function, "__name__", ""):
        return _native.handed_statement(function, SQLITE, args[0])
    return _native.handed(function)
