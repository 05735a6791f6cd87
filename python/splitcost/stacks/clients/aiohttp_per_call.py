"""aiohttp with a `ClientSession` for every call."""

from __future__ import annotations

from splitcost.stacks import Answer, AwaitingClientPart
from splitcost.stacks.clients.aiohttp import post


class PerCallClient:
    """Nothing is kept."""

    async def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call."""
        import aiohttp

        async with aiohttp.ClientSession() as session:
            return await post(session, url, line, body, timeout_secs)

    async def close(self) -> None:
        """Nothing is kept."""


PARTS = {
    "aiohttp_per_call": AwaitingClientPart(
        summary="aiohttp with a `ClientSession` for every call.",
        needs=("aiohttp",),
        keeping="aiohttp",
        make=lambda transport: PerCallClient(),
    )
}
