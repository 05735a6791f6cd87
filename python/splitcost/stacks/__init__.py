"""The stacks calls can go over: each a client for coroutines, a client for threads, and a server beside the
app.

A stack carries one line of ASCII metadata and a body of bytes, and brings back a :class:`Answer`. What they
mean is the rehearsal's business. ``python -m splitcost.stacks --json`` tells which stacks this environment
can run.
"""

from __future__ import annotations

import enum
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

__all__ = [
    "NAMES",
    "Answer",
    "Answerer",
    "Stack",
    "Status",
    "Unreachable",
    "load",
    "missing",
    "require",
    "versions",
]

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Chosen: far above any call worth making; a larger body is refused before it is read."""


class Status(enum.IntEnum):
    """How the other side took the message; numbered as in HTTP."""

    OK = 200
    INVALID = 400
    UNAUTHENTICATED = 401
    NOT_FOUND = 404
    TOO_LARGE = 413


class Answer(NamedTuple):
    """What came back, or what shall go back."""

    status: int
    body: bytes


class Unreachable(Exception):
    """Nobody answers there, or the connection broke."""


Answerer = Callable[[str, bytes], Awaitable[Answer]]
"""Answers one call on the event loop, given the metadata line and the body."""


class Stack(Protocol):
    """A client and a server. Clients raise ``TimeoutError`` or :class:`Unreachable`, and keep connections."""

    rpc_port_is_http_port: bool
    """Whether the app's own server carries the calls, too."""

    def call(self, port: int, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Call from a thread, which blocks."""

    async def call_async(self, port: int, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Call from the running event loop, which goes on."""

    def wrap_app(self, app: Any, answerer: Answerer) -> Any:
        """The ASGI app that the server shall run in place of ``app``."""

    async def start(self, port: int, answerer: Answerer) -> int:
        """Serve on loopback in the running loop; gives the port (0: the kernel chooses)."""

    async def stop(self) -> None:
        """End what :meth:`start` began."""


_MODULES = {"httpx": "splitcost.stacks.httpx_stack", "grpc": "splitcost.stacks.grpc_stack"}
# Stack → its parts; of several alternatives the first that is installed is used.
_NEEDS = {
    "httpx": (("httpx2", "httpx"), ("orjson",), ("uvicorn",)),
    "grpc": (("grpc",), ("orjson",), ("uvicorn",)),
}
_DISTRIBUTIONS = {"grpc": "grpcio"}
NAMES = tuple(_MODULES)


def require(name: str) -> None:
    """Raise ``ImportError`` with the pip command if a part is missing, or ``ValueError``."""
    if name not in _MODULES:
        raise ValueError(f"unknown stack {name!r}: one of {', '.join(NAMES)}")
    absent = missing(name)
    if absent:
        command = f"pip install {' '.join(absent)}"
        raise ImportError(f"the stack {name} needs packages that are not installed: {command}")


def load(name: str) -> Stack:
    """A new stack of that name; raises as :func:`require` does."""
    require(name)
    stack: Stack = importlib.import_module(_MODULES[name]).make()
    return stack


def missing(name: str) -> list[str]:
    """The pip requirements that the stack lacks in this environment."""
    return [
        _DISTRIBUTIONS.get(choices[0], choices[0])
        for choices in _NEEDS[name]
        if not any(importlib.util.find_spec(module) for module in choices)
    ]


def versions(name: str) -> dict[str, str]:
    """Distribution → version of everything whose version can change what a call of this stack costs."""
    found = {}
    parts = [next((m for m in choices if importlib.util.find_spec(m)), None) for choices in _NEEDS[name]]
    for module in [*parts, "uvloop", "httptools", "h11", "httpcore2", "httpcore", "anyio"]:
        if module is None or (name == "grpc" and module.startswith("httpcore")):
            continue
        distribution = _DISTRIBUTIONS.get(module, module)
        try:
            found[distribution] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
