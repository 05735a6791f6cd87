"""httpx2, blocking: the function `httpx2.post`, which makes a client for every call."""

from __future__ import annotations

from splitcost.stacks import Client

NEEDS = ("httpx2",)
TRANSPORTS = ("http/1.1",)
AWAITS = False
PER_CALL = True


def make(transport: str) -> Client:
    """A new client."""
    import httpx2

    from splitcost.stacks.httpx_family import SyncPerCall

    return SyncPerCall(httpx2)
