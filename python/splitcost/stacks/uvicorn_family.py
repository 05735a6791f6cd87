"""uvicorn with its parsers and event loops; one worker, as the others."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from splitcost.stacks import Answerer
from splitcost.stacks.asgi import App


def serve(answerer: Answerer, listener: socket.socket, announce: Callable[[], None], **settings: Any) -> None:
    """Serve calls until the process is told to terminate."""
    run(App(answerer, announce=announce), listener, **settings)


def run(app: Any, listener: socket.socket, **settings: Any) -> None:
    """Serve an app until the process is told to terminate."""
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
