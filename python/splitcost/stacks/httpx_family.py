"""The clients of httpx and of its living fork httpx2, which have one interface.

Calls are `client.post(...)`, as a team would write them; nothing underneath it is used. `verify=False` saves
nothing on a call: the context for TLS that no call here needs is not made.
"""

from __future__ import annotations

import asyncio
from typing import Any

from splitcost.stacks import CONNECTIONS, HEADER, KEPT_SECS, Answer, Unreachable


def _settings(httpx: Any, transport: str) -> dict[str, Any]:
    limits = httpx.Limits(
        max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=KEPT_SECS
    )
    settings = {"verify": False, "trust_env": False, "limits": limits}
    if transport == "h2c":
        # With http1 left on, cleartext speaks HTTP/1.1 whatever http2 says.
        settings |= {"http1": False, "http2": True}
    return settings


class SyncClient:
    """One `Client` for all threads."""

    def __init__(self, httpx: Any, transport: str) -> None:
        self._httpx = httpx
        self._client = httpx.Client(**_settings(httpx, transport))
        self._urls: dict[str, Any] = {}

    def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call; the time limit holds for each wait on the socket."""
        parsed = self._urls.get(url)
        if parsed is None:
            parsed = self._urls[url] = self._httpx.URL(url)
        try:
            response = self._client.post(parsed, content=body, headers={HEADER: line}, timeout=timeout_secs)
        except self._httpx.TimeoutException as error:
            raise TimeoutError from error
        except self._httpx.TransportError as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return Answer(response.status_code, response.content)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class AsyncClient:
    """One `AsyncClient` for the event loop."""

    def __init__(self, httpx: Any, transport: str) -> None:
        self._httpx = httpx
        self._client = httpx.AsyncClient(timeout=None, **_settings(httpx, transport))
        self._urls: dict[str, Any] = {}

    async def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call."""
        parsed = self._urls.get(url)
        if parsed is None:
            parsed = self._urls[url] = self._httpx.URL(url)
        try:
            async with asyncio.timeout(timeout_secs):
                response = await self._client.post(parsed, content=body, headers={HEADER: line})
        except self._httpx.TransportError as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return Answer(response.status_code, response.content)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class SyncPerCall:
    """The function `post`: a client, its TLS context and a connection for every call."""

    def __init__(self, httpx: Any) -> None:
        self._httpx = httpx

    def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call; the time limit holds for each wait on the socket."""
        try:
            response = self._httpx.post(
                url, content=body, headers={HEADER: line}, timeout=timeout_secs, trust_env=False
            )
        except self._httpx.TimeoutException as error:
            raise TimeoutError from error
        except self._httpx.TransportError as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return Answer(response.status_code, response.content)

    def close(self) -> None:
        """Nothing is kept."""


class AsyncPerCall:
    """`async with AsyncClient()` around every call."""

    def __init__(self, httpx: Any) -> None:
        self._httpx = httpx

    async def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call."""
        try:
            async with (
                asyncio.timeout(timeout_secs),
                self._httpx.AsyncClient(timeout=None, trust_env=False) as client,
            ):
                response = await client.post(url, content=body, headers={HEADER: line})
        except self._httpx.TransportError as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return Answer(response.status_code, response.content)

    async def close(self) -> None:
        """Nothing is kept."""
