"""granian: its own HTTP in Rust, in a worker process of its own, with one thread for Python."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from typing import Any

from splitcost.stacks import Answerer, AwaitingServerPart
from splitcost.stacks.asgi import App


def serve(answerer: Answerer, listener: socket.socket, transport: str, announce: Callable[[], None]) -> None:
    """Serve until the process is asked to terminate."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops

    server = Granian(
        "splitcost",  # Not looked at: the loader below makes the app.
        address="127.0.0.1",
        port=listener.getsockname()[1],  # Bound, not listening: it keeps others away.
        interface=Interfaces.ASGI,
        http=HTTPModes.http2 if transport == "h2c" else HTTPModes.http1,
        loop=Loops.uvloop,
        websockets=False,
        log_enabled=False,
        workers_kill_timeout=1,
    )
    load = functools.partial(_load, answerer, announce)
    server.serve(target_loader=load, wrap_loader=False)


def _load(answerer: Answerer, announce: Callable[[], None]) -> Any:
    """Called in the worker."""
    return App(answerer, announce=announce)


PARTS = {
    "granian": AwaitingServerPart(
        summary="granian: its own HTTP in Rust, in a worker process of its own, with one thread for Python.",
        needs=("granian", "uvloop"),
        transports=("http/1.1", "h2c"),
        serve=serve,
    )
}
