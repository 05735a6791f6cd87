"""aiohttp with a `ClientSession` for the event loop."""

from __future__ import annotations

from typing import Any

from splitcost import stacks
from splitcost.stacks import HEADER, KEPT_SECS, Answer, AwaitingClientPart, Unreachable


class SessionClient:
    """One `ClientSession`, made in the loop that uses it."""

    def __init__(self) -> None:
        self._session: Any = None

    async def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call."""
        if self._session is None:
            self._session = session()
        return await post(self._session, url, line, body, timeout_secs)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def session() -> Any:
    """A session that keeps as many connections as the others, as long."""
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=stacks.CONNECTIONS, keepalive_timeout=KEPT_SECS),
    )


async def post(session: Any, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
    """One call over a session."""
    import aiohttp

    limit = aiohttp.ClientTimeout(total=timeout_secs)
    try:
        async with session.post(url, data=body, headers={HEADER: line}, timeout=limit) as response:
            return Answer(response.status, await response.read())
    except TimeoutError as error:
        # Theirs is both a timeout and a failed connection.
        raise TimeoutError from error
    except aiohttp.ClientError as error:
        raise Unreachable(str(error) or type(error).__name__) from error


PARTS = {
    "aiohttp": AwaitingClientPart(
        summary="aiohttp with a `ClientSession` for the event loop.",
        needs=("aiohttp",),
        make=lambda transport: SessionClient(),
    )
}
