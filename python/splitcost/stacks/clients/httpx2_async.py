"""httpx2, awaited: one `AsyncClient` for the event loop."""

from __future__ import annotations

from splitcost.stacks import AwaitingClient

NEEDS = ("httpx2[http2]",)
TRANSPORTS = ("http/1.1", "h2c")
AWAITS = True


def make(transport: str) -> AwaitingClient:
    """A new client."""
    import httpx2

    from splitcost.stacks.httpx_family import AsyncClient

    return AsyncClient(httpx2, transport)
