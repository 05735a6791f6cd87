"""httpx and its living fork httpx2, which have one interface: blocking and awaited, kept and per call.

Calls are `client.post(...)`, as a team would write them; nothing underneath it is used. `verify=False` saves
nothing on a call: the context for TLS that no call here needs is not made.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
from typing import Any

from splitcost import stacks
from splitcost.stacks import (
    HEADER,
    KEPT_SECS,
    Answer,
    AwaitingClientPart,
    BlockingClientPart,
    ClientPart,
    Unreachable,
)


def _settings(httpx: Any, transport: str) -> dict[str, Any]:
    limits = httpx.Limits(
        max_connections=stacks.CONNECTIONS,
        max_keepalive_connections=stacks.CONNECTIONS,
        keepalive_expiry=KEPT_SECS,
    )
    settings = {"verify": False, "trust_env": False, "limits": limits}
    if transport == "h2c":
        # With http1 left on, cleartext speaks HTTP/1.1 whatever http2 says.
        settings |= {"http1": False, "http2": True}
    return settings


class SyncClient:
    """One `Client` for all threads."""

    def __init__(self, library: str, transport: str) -> None:
        self._httpx = httpx = importlib.import_module(library)
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
        except self._httpx.RequestError as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return Answer(response.status_code, response.content)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class AsyncClient:
    """One `AsyncClient` for the event loop."""

    def __init__(self, library: str, transport: str) -> None:
        self._httpx = httpx = importlib.import_module(library)
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
        except self._httpx.RequestError as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return Answer(response.status_code, response.content)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class SyncClientPerCall:
    """The function `post`: a client, its TLS context and a connection for every call."""

    def __init__(self, library: str, transport: str) -> None:
        self._httpx = importlib.import_module(library)

    def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call; the time limit holds for each wait on the socket."""
        try:
            response = self._httpx.post(
                url, content=body, headers={HEADER: line}, timeout=timeout_secs, trust_env=False
            )
        except self._httpx.TimeoutException as error:
            raise TimeoutError from error
        except self._httpx.RequestError as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return Answer(response.status_code, response.content)

    def close(self) -> None:
        """Do nothing: no connection is kept."""


class AsyncClientPerCall:
    """`async with AsyncClient()` around every call."""

    def __init__(self, library: str, transport: str) -> None:
        self._httpx = importlib.import_module(library)

    async def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call."""
        try:
            async with (
                asyncio.timeout(timeout_secs),
                self._httpx.AsyncClient(timeout=None, trust_env=False) as client,
            ):
                response = await client.post(url, content=body, headers={HEADER: line})
        except self._httpx.RequestError as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return Answer(response.status_code, response.content)

    async def close(self) -> None:
        """Do nothing: no connection is kept."""


def _family(library: str) -> dict[str, ClientPart]:
    """Return the four clients of a library; the kept ones speak HTTP/1.1 and HTTP/2 in clear text."""
    kept, both = (f"{library}[http2]",), ("http/1.1", "h2c")
    return {
        f"{library}_sync": BlockingClientPart(
            summary=f"{library}, blocking: one `Client` for all threads.",
            needs=kept,
            transports=both,
            make=functools.partial(SyncClient, library),
        ),
        f"{library}_async": AwaitingClientPart(
            summary=f"{library}, awaited: one `AsyncClient` for the event loop.",
            needs=kept,
            transports=both,
            make=functools.partial(AsyncClient, library),
        ),
        f"{library}_sync_per_call": BlockingClientPart(
            summary=f"{library}, blocking: `{library}.post`, which makes a client for every call.",
            needs=(library,),
            keeping=f"{library}_sync",
            make=functools.partial(SyncClientPerCall, library),
        ),
        f"{library}_async_per_call": AwaitingClientPart(
            summary=f"{library}, awaited: an `AsyncClient` for every call.",
            needs=(library,),
            keeping=f"{library}_async",
            make=functools.partial(AsyncClientPerCall, library),
        ),
    }


PARTS = _family("httpx") | _family("httpx2")
