"""The requests of servers that run coroutines of their own, instead of an ASGI app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from splitcost._guard import attempt
from splitcost.gateways.request import Request, endpoint_header, follow, is_inside

__all__ = ["follow_http"]

_R = TypeVar("_R")


def follow_http(
    server: str,
    asked: Any,
    call: Callable[[], Awaitable[_R]],
    note: Callable[[Request, _R | None, BaseException | None], None],
) -> Awaitable[_R]:
    """Return the coroutine of ``call`` as a request that has ``method``, ``path`` and ``headers``.

    ``note`` gets what ``call`` returned or raised, and reads off what the framework chose.
    """
    request = attempt(_request, server, asked)
    return call() if request is None else follow(server, request, lambda: _noting(request, call, note))


def _request(server: str, asked: Any) -> Request | None:
    if is_inside():
        return None
    header = endpoint_header()
    return Request(server, asked.headers.get(header) if header else None).http(asked.method, asked.path)


async def _noting(request: Request, call: Callable[[], Awaitable[_R]], note: Any) -> _R:
    try:
        result = await call()
    except BaseException as error:
        attempt(note, request, None, error)
        raise
    attempt(note, request, result, None)
    return result
