"""httpx2 (or httpx) over HTTP/1.1 keep-alive to the uvicorn that serves the app anyway.

Calls are `client.post(...)`, as a team would write them; nothing underneath it is used.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

try:
    import httpx2 as httpx
except ImportError:
    import httpx  # type: ignore[no-redef]

from splitcost.stacks import MAX_BODY_BYTES, Answer, Answerer, Status, Unreachable

PATH = "/__splitcost__/call"
HEADER = "x-splitcost-call"
_HEADER_BYTES = HEADER.encode()

# Chosen: uvicorn closes a connection after 5 s without a request; a client that gives it up before never
# loses a call.
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=3.0)


class HttpxStack:
    """One shared client for all threads, and one per event loop."""

    rpc_port_is_http_port = True

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: Any = None
        self._clients: dict[asyncio.AbstractEventLoop, Any] = {}
        self._urls: dict[int, Any] = {}

    def _url(self, port: int) -> Any:
        url = self._urls.get(port)
        if url is None:
            url = self._urls[port] = httpx.URL(f"http://127.0.0.1:{port}{PATH}")
        return url

    def call(self, port: int, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Call from a thread, which blocks. The time limit holds for each wait on the socket."""
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = httpx.Client(verify=False, trust_env=False, limits=_LIMITS)
        try:
            response = self._client.post(
                self._url(port), content=body, headers={HEADER: line}, timeout=timeout_secs
            )
        except httpx.TimeoutException as error:
            raise TimeoutError from error
        except httpx.TransportError as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return Answer(response.status_code, response.content)

    async def call_async(self, port: int, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Call from the running event loop, which goes on."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = httpx.AsyncClient(
                verify=False, trust_env=False, limits=_LIMITS, timeout=None
            )
        try:
            async with asyncio.timeout(timeout_secs):
                response = await client.post(self._url(port), content=body, headers={HEADER: line})
        except httpx.TransportError as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return Answer(response.status_code, response.content)

    def wrap_app(self, app: Any, answerer: Answerer) -> Any:
        """Put the path of the calls in front of the app."""

        async def with_calls(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
                answer = await _receive(scope, receive, answerer)
                headers = [(b"content-length", str(len(answer.body)).encode())]
                await send({"type": "http.response.start", "status": int(answer.status), "headers": headers})
                await send({"type": "http.response.body", "body": answer.body})
            else:
                await app(scope, receive, send)

        return with_calls

    async def start(self, port: int, answerer: Answerer) -> int:
        """Nothing to start: the app's server is ours."""
        return port

    async def stop(self) -> None:
        """Close the running loop's connections."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()


async def _receive(scope: Any, receive: Any, answerer: Answerer) -> Answer:
    line = b""
    for name, value in scope["headers"]:
        if name == _HEADER_BYTES:
            line = value
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return Answer(Status.INVALID, b"the caller went away")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY_BYTES:
            return Answer(Status.TOO_LARGE, b"the arguments are too large")
        if not message.get("more_body"):
            break
    return await answerer(line.decode("latin-1"), chunks[0] if len(chunks) == 1 else b"".join(chunks))


def make() -> HttpxStack:
    """A new stack."""
    return HttpxStack()
