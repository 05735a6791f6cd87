"""httpx, awaited: an `AsyncClient` for every call."""

from __future__ import annotations

from splitcost.stacks import AwaitingClient

NEEDS = ("httpx",)
TRANSPORTS = ("http/1.1",)
AWAITS = True
PER_CALL = True


def make(transport: str) -> AwaitingClient:
    """A new client."""
    import httpx

    from splitcost.stacks.httpx_family import AsyncPerCall

    return AsyncPerCall(httpx)
