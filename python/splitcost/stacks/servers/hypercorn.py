"""hypercorn on uvloop, its own choice of parsers: h11 and h2."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from splitcost.stacks import Answerer, AwaitingServerPart
from splitcost.stacks.asgi import App


def serve(answerer: Answerer, listener: socket.socket, transport: str, announce: Callable[[], None]) -> None:
    """Serve until the process is asked to terminate. The client chooses HTTP/2 or HTTP/1.1."""
    import uvloop
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 1
    config.shutdown_timeout = 1
    config.accesslog = None
    config.loglevel = "WARNING"
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(App(answerer, announce=announce), config))


PARTS = {
    "hypercorn": AwaitingServerPart(
        summary="hypercorn on uvloop, its own choice of parsers: h11 and h2.",
        needs=("hypercorn", "uvloop"),
        transports=("http/1.1", "h2c"),
        serve=serve,
    )
}
