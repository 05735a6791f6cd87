"""The functions that the calibration's client calls: they take one payload and return another."""

from __future__ import annotations

import os
from typing import Any

from splitcost.calibration.payload import build
from splitcost.calibration.work import work


def answer(arguments: Any, kind: str, nodes: int, size: int, pieces: int) -> Any:
    """A ``def``: runs on a thread of the server's pool. ``pieces`` of work are done before it returns."""
    work(pieces)
    return build(kind, nodes, size)


async def answer_async(arguments: Any, kind: str, nodes: int, size: int, pieces: int) -> Any:
    """An ``async def``: runs on the server's event loop."""
    work(pieces)
    return build(kind, nodes, size)


def process_id() -> int:
    """The server's process, whose CPU clock the client reads."""
    return os.getpid()
