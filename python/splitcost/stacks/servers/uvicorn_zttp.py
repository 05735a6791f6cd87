"""uvicorn's experimental parser zttp, the only one that speaks HTTP/2, on uvloop."""

from __future__ import annotations

import socket
from collections.abc import Callable

from splitcost.stacks import Answerer, uvicorn_family

NEEDS = ("uvicorn", "zttp", "uvloop")
TRANSPORTS = ("http/1.1", "h2c")
AWAITS = True


def serve(answerer: Answerer, listener: socket.socket, transport: str, announce: Callable[[], None]) -> None:
    """Serve until the process is told to terminate."""
    uvicorn_family.serve(answerer, listener, announce, http="zttp", http2=transport == "h2c", loop="uvloop")
