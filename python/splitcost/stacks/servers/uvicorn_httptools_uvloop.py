"""uvicorn as `uvicorn[standard]` runs it: the parser httptools, the event loop uvloop."""

from __future__ import annotations

import socket
from collections.abc import Callable

from splitcost.stacks import Answerer, uvicorn_family

NEEDS = ("uvicorn", "httptools", "uvloop")
TRANSPORTS = ("http/1.1",)
AWAITS = True


def serve(answerer: Answerer, listener: socket.socket, transport: str, announce: Callable[[], None]) -> None:
    """Serve until the process is told to terminate."""
    uvicorn_family.serve(answerer, listener, announce, http="httptools", loop="uvloop")
