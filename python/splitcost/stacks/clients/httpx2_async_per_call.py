"""httpx2, awaited: an `AsyncClient` for every call."""

from __future__ import annotations

from splitcost.stacks import AwaitingClient

NEEDS = ("httpx2",)
TRANSPORTS = ("http/1.1",)
AWAITS = True
PER_CALL = True


def make(transport: str) -> AwaitingClient:
    """A new client."""
    import httpx2

    from splitcost.stacks.httpx_family import AsyncPerCall

    return AsyncPerCall(httpx2)
