"""aiosqlite: the thread of a connection executes what a coroutine hands to it."""

from __future__ import annotations

import functools
from typing import Any

from splitcost import _native
from splitcost.databases.statements import SQLITE

__all__ = ["follow"]


def follow(module: Any) -> None:
    """Follow the functions that are handed over: sqlite3 notes the statements that they execute."""
    original, handed = module.Connection._execute, _native.handed_statement

    @functools.wraps(original)
    def execute(self: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
        return original(self, handed(fn, SQLITE, args), *args, **kwargs)

    module.Connection._execute = execute
