"""The number of processes and threads that run requests at the same time, as servers and libraries are configured."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from splitcost import _native
from splitcost._guard import attempt

__all__ = ["COUNTED", "note_executor", "note_limiter", "processes", "server_threads"]

#: Chosen: an app whose requests use more threads of pools than this makes pools as it goes.
MOST_POOL_THREADS = 1000

#: The attribute of an executor that is counted.
COUNTED = "_splitcost_counted"

#: The threads of all executors, and those of limiters by their identity.
_executor_threads = 0
_limiter_threads: dict[int, int] = {}


def processes(count: Callable[[], int]) -> None:
    """Note the number of processes that take requests."""
    _note("processes", count)


def server_threads(count: Callable[[], int | None]) -> None:
    """Note the number of threads on which the WSGI server of this process runs requests.

    `None` stands for one for each request.
    """
    _note("server_threads", count)


def _note(limit: str, count: Callable[[], int | None]) -> None:
    try:
        counted = count()
    except Exception:  # The server is of a version that keeps it elsewhere: what was seen counts then.
        return
    if counted is None or (type(counted) is int and counted > 0):
        attempt(_native.note_limit, limit, counted)


def note_executor(facts: dict[str, Any]) -> None:
    """Count the threads of an executor, by its attributes, to which a request hands a call over."""
    global _executor_threads
    if _native.current() is None:
        return
    facts[COUNTED] = True
    most = facts.get("_max_workers")
    if type(most) is int:
        _executor_threads += most
        _note_pools()


def note_limiter(limiter: Any) -> None:
    """Count the threads of a limiter of anyio's to which a request hands a call over."""
    module: str = type.__getattribute__(type(limiter), "__module__")
    if not module.startswith("anyio.") or _native.current() is None:
        return
    tokens = limiter.total_tokens
    threads = int(tokens) if tokens != math.inf else MOST_POOL_THREADS + 1
    if _limiter_threads.get(id(limiter)) != threads and len(_limiter_threads) < MOST_POOL_THREADS:
        _limiter_threads[id(limiter)] = threads
        _note_pools()


def _note_pools() -> None:
    threads = _executor_threads + sum(_limiter_threads.values())
    _native.note_limit("pool_threads", threads if threads <= MOST_POOL_THREADS else None)
