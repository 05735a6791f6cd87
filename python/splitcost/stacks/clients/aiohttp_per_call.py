"""aiohttp with a `ClientSession` for every call."""

from __future__ import annotations

from splitcost.stacks import Answer, AwaitingClient
from splitcost.stacks.clients.aiohttp import post

NEEDS = ("aiohttp",)
TRANSPORTS = ("http/1.1",)
AWAITS = True
PER_CALL = True


def make(transport: str) -> AwaitingClient:
    """A new client."""
    return PerCallClient()


class PerCallClient:
    """Nothing is kept."""

    async def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call."""
        import aiohttp

        async with aiohttp.ClientSession() as session:
            return await post(session, url, line, body, timeout_secs)

    async def close(self) -> None:
        """Nothing is kept."""
