"""The carriers of rehearsed calls, composed of the clients and servers that are measured.

A client is made when a service makes its first call of that kind: most services make none of one kind.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence

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

    async def close(self) -> None:
        """Close the running loop's connections."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()


class HttpxCarrier(_Clients):
    """httpx2 (or httpx) over HTTP/1.1 keep-alive, and uvicorn."""

    def __init__(self, library: str) -> None:
        super().__init__(f"{library}_sync", f"{library}_async", "http/1.1", "http://{address}" + PATH)

    async def serve(self, listeners: Sequence[socket.socket], answerer: Answerer) -> None:
        """Answer calls by uvicorn."""
        from splitcost.stacks.servers import uvicorn

        try:
            await uvicorn.serve_beside(App(answerer), listeners)
        finally:
            await self.close()


class GrpcCarrier(_Clients):
    """grpcio's blocking client, `grpc.aio`'s, and its server."""

    def __init__(self) -> None:
        super().__init__("grpcio", "grpc_aio", "grpc", "http://{address}")

    async def serve(self, listeners: Sequence[socket.socket], answerer: Answerer) -> None:
        """Answer calls by `grpc.aio`; those under way at the end get a second."""
        from splitcost.stacks.servers import grpc_aio

        # The listeners are bound, not listening: they keep others away.
        ports = [listener.getsockname()[1] for listener in listeners]
        server, _ = await grpc_aio.start(answerer, *ports, share_port=True)
        try:
            await asyncio.Event().wait()
        finally:
            await self.close()
            await server.stop(grace=1.0)
