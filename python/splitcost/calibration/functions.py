"""The functions that the calibration's client calls: they take one payload and return another, or change it."""

from __future__ import annotations

import os
from typing import Any

from splitcost.calibration.payload import Row, build
from splitcost.calibration.work import work


def answer(arguments: Any, kind: str, nodes: int, size: int, pieces: int) -> Any:
    """A ``def``: runs on a thread of the server's pool. ``pieces`` of work are done before it returns."""
    work(pieces)
    return build(kind, nodes, size)


async def answer_async(arguments: Any, kind: str, nodes: int, size: int, pieces: int) -> Any:
    """An ``async def``: runs on the server's event loop."""
    work(pieces)
    return build(kind, nodes, size)


def change(rows: list[Any]) -> None:
    """A ``def`` that changes a field of each row in place."""
    for row in rows:
        if isinstance(row, Row):
            row.id += 1


async def change_async(rows: list[Any]) -> None:
    """The same as an ``async def``."""
    change(rows)


def process_id() -> int:
    """The server's process, whose CPU clock the client reads."""
    return os.getpid()
