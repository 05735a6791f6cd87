"""uvicorn as it comes without extras: the parser h11 on asyncio's own event loop."""

from __future__ import annotations

import socket
from collections.abc import Callable

from splitcost.stacks import Answerer, uvicorn_family

NEEDS = ("uvicorn", "h11")
TRANSPORTS = ("http/1.1",)
AWAITS = True


def serve(answerer: Answerer, listener: socket.socket, transport: str, announce: Callable[[], None]) -> None:
    """Serve until the process is told to terminate."""
    uvicorn_family.serve(answerer, listener, announce, http="h11", loop="asyncio")
