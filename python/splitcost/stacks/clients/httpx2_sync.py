"""httpx2, blocking: one `Client` for all threads."""

from __future__ import annotations

from splitcost.stacks import Client

NEEDS = ("httpx2[http2]",)
TRANSPORTS = ("http/1.1", "h2c")
AWAITS = False


def make(transport: str) -> Client:
    """A new client."""
    import httpx2

    from splitcost.stacks.httpx_family import SyncClient

    return SyncClient(httpx2, transport)
