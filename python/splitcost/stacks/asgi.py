"""Calls over ASGI: the same small app behind uvicorn, hypercorn and granian, in benchmarks and in rehearsals.

No framework: what is measured is the server.
"""

from __future__ import annotations

from typing import Any

from splitcost.stacks import HEADER, MAX_BODY_BYTES, PATH, Answer, Answerer, Status

_HEADER_BYTES = HEADER.encode()


class App:
    """Answers calls; other requests get a 404. ``announce`` is called once it serves."""

    def __init__(self, answerer: Answerer, announce: Any = None) -> None:
        self._answerer = answerer
        self._announce = announce

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One connection's request, as ASGI has it."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            answer = await _receive(scope, receive, self._answerer)
            await _answer(send, int(answer.status), answer.body)
        elif scope["type"] == "http":
            await _answer(send, 404, b"")
        elif scope["type"] == "lifespan":
            await receive()
            if self._announce is not None:
                self._announce()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


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
            return Answer(Status.TOO_LARGE, f"the arguments are more than {MAX_BODY_BYTES:,} bytes".encode())
        if not message.get("more_body"):
            break
    return await answerer(line.decode("latin-1"), chunks[0] if len(chunks) == 1 else b"".join(chunks))
