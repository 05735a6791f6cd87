"""uvicorn with its parsers and event loops; one worker, as the other servers have."""

from __future__ import annotations

import contextlib
import functools
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from splitcost.stacks import Answerer, AwaitingServerPart
from splitcost.stacks.asgi import App


def serve(
    http: str,
    loop: str,
    answerer: Answerer,
    listener: socket.socket,
    transport: str,
    announce: Callable[[], None],
) -> None:
    """Serve calls with a parser and an event loop until the process is asked to terminate."""
    settings = {"http2": True} if transport == "h2c" else {}
    run(App(answerer, announce=announce), listener, http=http, loop=loop, **settings)


def run(app: Any, listener: socket.socket, **settings: Any) -> None:
    """Serve an app until the process is asked to terminate."""
    import uvicorn

    config = uvicorn.Config(
        app,
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        **settings,
    )
    uvicorn.Server(config).run(sockets=[listener])


async def serve_beside(app: Any, listeners: Sequence[socket.socket]) -> None:
    """Serve an app in the running loop, which is another server's, until cancelled.

    The process's signals and logs stay as they are: they are that server's.
    """
    import uvicorn
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    class Protocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.access_log = False

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    await Server(config).serve(sockets=list(listeners))


def _part(
    summary: str, http: str, loop: str, transports: tuple[str, ...] = ("http/1.1",)
) -> AwaitingServerPart:
    needs = ("uvicorn", http) + (("uvloop",) if loop == "uvloop" else ())
    return AwaitingServerPart(
        summary=f"uvicorn {summary}.",
        needs=needs,
        transports=transports,
        serve=functools.partial(serve, http, loop),
    )


PARTS = {
    "uvicorn_h11_asyncio": _part(
        "as it comes without extras: the parser h11 on asyncio's own event loop", "h11", "asyncio"
    ),
    "uvicorn_h11_uvloop": _part(
        "with the parser h11, which is Python, and the event loop uvloop", "h11", "uvloop"
    ),
    "uvicorn_httptools_asyncio": _part(
        "with the parser httptools on asyncio's own event loop", "httptools", "asyncio"
    ),
    "uvicorn_httptools_uvloop": _part(
        "as `uvicorn[standard]` runs it: the parser httptools, the event loop uvloop", "httptools", "uvloop"
    ),
    "uvicorn_zttp": _part(
        "with its experimental parser zttp, the only one that speaks HTTP/2, on uvloop",
        "zttp",
        "uvloop",
        ("http/1.1", "h2c"),
    ),
}
