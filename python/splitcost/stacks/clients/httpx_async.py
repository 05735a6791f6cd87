"""httpx, awaited: one `AsyncClient` for the event loop."""

from __future__ import annotations

from splitcost.stacks import AwaitingClient

NEEDS = ("httpx[http2]",)
TRANSPORTS = ("http/1.1", "h2c")
AWAITS = True


def make(transport: str) -> AwaitingClient:
    """A new client."""
    import httpx

    from splitcost.stacks.httpx_family import AsyncClient

    return AsyncClient(httpx, transport)
