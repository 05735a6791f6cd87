"""The effect of blocking: an ``async`` endpoint that calls another service, in several ways.

``python -m splitcost.stacks.blocking service --delay-millis 10`` is the other service, which answers after a
while, as one with a database does. ``… app --service URL`` has an endpoint for each of :data:`WAYS`. Each
prints ``{"url": …, "pid": …}`` on stdout once it serves, and ends with stdin.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from splitcost.stacks import lacks
from splitcost.stacks.servers.uvicorn import run
from splitcost.stacks.service import Announcement, die_with_parent, end_with_stdin, tcp_socket

BODY = b'{"id": 1, "name": "item 1", "price": 0.25}'

NEEDS = ("uvicorn", "uvloop", "httptools", "requests", "aiohttp")

Way = Callable[[str], Awaitable[bytes]]


async def with_requests(url: str) -> bytes:
    """requests.get(url): the event loop stands still until the answer is there"""
    import requests

    return requests.get(url, timeout=30).content


async def with_to_thread(url: str) -> bytes:
    """await asyncio.to_thread(requests.get, url)"""
    import requests

    return (await asyncio.to_thread(requests.get, url, timeout=30)).content


async def with_client_per_call(url: str) -> bytes:
    """async with httpx.AsyncClient() as client: await client.get(url)"""
    async with httpx().AsyncClient(timeout=30) as client:
        content: bytes = (await client.get(url)).content
        return content


class Shared:
    """Clients that live as long as the app."""

    def __init__(self) -> None:
        self._httpx: Any = None
        self._aiohttp: Any = None

    async def with_httpx(self, url: str) -> bytes:
        """await client.get(url), with one httpx.AsyncClient"""
        if self._httpx is None:
            self._httpx = httpx().AsyncClient(timeout=30)
        content: bytes = (await self._httpx.get(url)).content
        return content

    async def with_aiohttp(self, url: str) -> bytes:
        """await session.get(url), with one aiohttp.ClientSession"""
        if self._aiohttp is None:
            import aiohttp

            self._aiohttp = aiohttp.ClientSession()
        async with self._aiohttp.get(url) as response:
            content: bytes = await response.read()
            return content

    async def close(self) -> None:
        """Close the connections."""
        if self._httpx is not None:
            await self._httpx.aclose()
        if self._aiohttp is not None:
            await self._aiohttp.close()


def httpx() -> Any:
    """httpx2, or httpx where that is what is installed."""
    try:
        import httpx2
    except ImportError:
        import httpx

        return httpx
    return httpx2


def ways(shared: Shared) -> dict[str, Way]:
    """The endpoints: path → what calls the other service."""
    return {
        "requests": with_requests,
        "to_thread": with_to_thread,
        "client_per_call": with_client_per_call,
        "httpx": shared.with_httpx,
        "aiohttp": shared.with_aiohttp,
    }


WAYS = {name: (way.__doc__ or "") for name, way in ways(Shared()).items()}
"""Path → what the endpoint does."""


class App:
    """An ASGI app: ``answer`` gives the body for a path, or ``None``."""

    def __init__(self, answer: Callable[[str], Awaitable[bytes | None]], announce: Any, close: Any) -> None:
        self._answer, self._announce, self._close = answer, announce, close

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request, or the life of the server."""
        if scope["type"] == "lifespan":
            await receive()
            self._announce()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self._close()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "http":
            body = await self._answer(scope["path"])
            headers = [(b"content-length", str(len(body or b"")).encode())]
            status = 404 if body is None else 200
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body or b""})


def main() -> int:
    """Serve one of both."""
    parser = argparse.ArgumentParser(prog="python -m splitcost.stacks.blocking", description=__doc__)
    parser.add_argument("side", choices=["service", "app", "ways"])
    parser.add_argument("--delay-millis", type=float, default=10.0)
    parser.add_argument("--service", metavar="URL")
    options = parser.parse_args()
    absent = [*lacks(NEEDS), *([] if not lacks(("httpx",)) or not lacks(("httpx2",)) else ["httpx2"])]
    if options.side == "ways":
        print(json.dumps({"ways": WAYS, "missing": absent}))
        return 0
    if absent:
        print(f"splitcost: packages are not installed: pip install {' '.join(absent)}", file=sys.stderr)
        return 2
    die_with_parent()
    shared = Shared()
    found = ways(shared)

    async def after_a_while(path: str) -> bytes:
        await asyncio.sleep(options.delay_millis / 1000)
        return BODY

    async def ask_the_service(path: str) -> bytes | None:
        way = found.get(path.lstrip("/"))
        return None if way is None else await way(options.service)

    listener = tcp_socket()
    listener.bind(("127.0.0.1", 0))
    announce = Announcement(listener.getsockname()[1], "/")
    answer = after_a_while if options.side == "service" else ask_the_service
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=end_with_stdin, daemon=True).start()
    run(App(answer, announce, shared.close), listener, http="httptools", loop="uvloop")
    return 0


if __name__ == "__main__":
    sys.exit(main())
