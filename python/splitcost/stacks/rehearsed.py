"""The rehearsal's stacks, composed of the clients and servers that are measured.

Clients are made late, when a service makes its first call: most services make none of one kind.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from splitcost.stacks import PATH, Answer, Answerer, find
from splitcost.stacks.asgi import App


class _Clients:
    """One shared client for all threads, and one per event loop."""

    def __init__(self, blocking: str, awaiting: str, transport: str, url: str) -> None:
        self._blocking, self._awaiting, self._transport = blocking, awaiting, transport
        self._url = url
        self._lock = threading.Lock()
        self._client: Any = None
        self._clients: dict[asyncio.AbstractEventLoop, Any] = {}
        self._urls: dict[str, str] = {}

    def _url_of(self, address: str) -> str:
        url = self._urls.get(address)
        if url is None:
            url = self._urls[address] = self._url.format(address=address)
        return url

    def call(self, address: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Call from a thread, which blocks."""
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = find("clients", self._blocking).make(self._transport)
        answer: Answer = self._client.call(self._url_of(address), line, body, timeout_secs)
        return answer

    async def call_async(self, address: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Call from the running event loop, which goes on."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = find("clients", self._awaiting).make(self._transport)
        answer: Answer = await client.call(self._url_of(address), line, body, timeout_secs)
        return answer

    async def stop(self) -> None:
        """Close the running loop's connections."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()


class HttpxStack(_Clients):
    """httpx2 (or httpx) over HTTP/1.1 keep-alive to the uvicorn that serves the app anyway."""

    rpc_port_is_http_port = True

    def __init__(self, library: str) -> None:
        super().__init__(f"{library}_sync", f"{library}_async", "http/1.1", "http://{address}" + PATH)

    def wrap_app(self, app: Any, answerer: Answerer) -> Any:
        """Put the path of the calls in front of the app."""
        return App(answerer, app)

    async def start(self, port: int, answerer: Answerer) -> int:
        """Nothing to start: the app's server is ours."""
        return port


class GrpcStack(_Clients):
    """grpcio's blocking client, `grpc.aio`'s, and a `grpc.aio` server in the app's loop."""

    rpc_port_is_http_port = False

    def __init__(self) -> None:
        super().__init__("grpcio", "grpc_aio", "grpc", "http://{address}")
        self._server: Any = None

    def wrap_app(self, app: Any, answerer: Answerer) -> Any:
        """The app as it is: calls have a port of their own."""
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
