"""The carriers of rehearsed calls, composed of the clients and servers that are measured.

A client is made when a service makes its first call of that kind: most services make none of one kind.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from splitcost.stacks import (
    PATH,
    Answer,
    Answerer,
    AwaitingClient,
    AwaitingClientPart,
    BlockingClientPart,
    Client,
    find_client,
)
from splitcost.stacks.asgi import App


class _Clients:
    """One client for all threads, and one client for each event loop."""

    def __init__(self, blocking: str, awaiting: str, transport: str, url: str) -> None:
        self._blocking, self._awaiting, self._transport = blocking, awaiting, transport
        self._url = url
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._clients: dict[asyncio.AbstractEventLoop, AwaitingClient] = {}
        self._urls: dict[str, str] = {}

    def _url_of(self, address: str) -> str:
        url = self._urls.get(address)
        if url is None:
            url = self._urls[address] = self._url.format(address=address)
        return url

    def call(self, address: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Call from a thread, which blocks."""
        client = self._client or self._make_client()
        return client.call(self._url_of(address), line, body, timeout_secs)

    def _make_client(self) -> Client:
        with self._lock:
            if self._client is None:
                part = find_client(self._blocking)
                assert isinstance(part, BlockingClientPart)
                self._client = part.make(self._transport)
            return self._client

    async def call_async(self, address: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Call from the running event loop, which runs other tasks meanwhile."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            part = find_client(self._awaiting)
            assert isinstance(part, AwaitingClientPart)
            client = self._clients[loop] = part.make(self._transport)
        return await client.call(self._url_of(address), line, body, timeout_secs)

    async def stop(self) -> None:
        """Close the running loop's connections."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()


class HttpxCarrier(_Clients):
    """httpx2 (or httpx) over HTTP/1.1 keep-alive to the uvicorn that serves the app anyway."""

    def __init__(self, library: str) -> None:
        super().__init__(f"{library}_sync", f"{library}_async", "http/1.1", "http://{address}" + PATH)

    def wrap_app(self, app: Any, answerer: Answerer) -> Any:
        """Put the path of the calls in front of the app."""
        return App(answerer, app)

    async def start(self, port: int, answerer: Answerer) -> int:
        """Return the port: the app's own server takes the calls."""
        return port


class GrpcCarrier(_Clients):
    """grpcio's blocking client, `grpc.aio`'s, and a `grpc.aio` server in the app's loop."""

    def __init__(self) -> None:
        super().__init__("grpcio", "grpc_aio", "grpc", "http://{address}")
        self._server: Any = None

    def wrap_app(self, app: Any, answerer: Answerer) -> Any:
        """Return the app as it is: calls have a port of their own."""
        return app

    async def start(self, port: int, answerer: Answerer) -> int:
        """Serve on loopback in the running loop."""
        from splitcost.stacks.servers import grpc_aio

        self._server, bound = await grpc_aio.start(answerer, port, share_port=False)
        return bound

    async def stop(self) -> None:
        """Close the running loop's channels and the server; calls under way get a second."""
        await super().stop()
        if self._server is not None:
            await self._server.stop(grace=1.0)
            self._server = None
