"""What calls go over: a client, a codec, a transport and a server. Each is one short file.

- ``clients/NAME.py``: ``NEEDS`` (pip requirements), ``TRANSPORTS``, ``AWAITS`` and ``make(transport)``, which
  gives a :class:`Client` or an :class:`AwaitingClient`. ``PER_CALL = True`` marks one that connects for every
  call.
- ``servers/NAME.py``: ``NEEDS``, ``TRANSPORTS``, ``AWAITS`` (whether it takes an :data:`Answerer` or a
  :data:`BlockingAnswerer`) and ``serve(answerer, listener, transport, announce)``.
- ``codecs/NAME.py``: ``NEEDS`` and ``make(sample)``: see :mod:`splitcost.stacks.codecs`.

All can be imported without what they need: libraries are imported when something is made. A client carries
one line of ASCII metadata and a body of bytes, and brings back an :class:`Answer`; what they mean is the
caller's business. ``python -m splitcost.stacks --json`` tells what is there; ``serve`` and ``drive`` run one
side.

The rehearsal's two stacks (:func:`load`) are composed of the same files.
"""

from __future__ import annotations

import enum
import functools
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import re
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, NamedTuple, Protocol

__all__ = [
    "NAMES",
    "Answer",
    "Answerer",
    "AwaitingClient",
    "BlockingAnswerer",
    "Client",
    "Stack",
    "Status",
    "Unreachable",
    "find",
    "lacks",
    "load",
    "missing",
    "names",
    "require",
    "versions",
    "versions_of",
]

PATH = "/__splitcost__/call"
"""Where HTTP servers take calls."""

HEADER = "x-splitcost-call"
"""The header, in gRPC the metadata key, that carries a call's line."""

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Chosen: far above any call worth making; a larger body is refused before it is read."""

KEPT_SECS = 3.0
"""How long clients keep a connection that is not used.

Chosen: uvicorn closes one after 5 s; a client that gives it up before never loses a call.
"""

CONNECTIONS = 100
"""Connections that a client keeps. Chosen: httpx's default; above the concurrency that is measured.

A rehearsal whose policy names another number sets it before it makes a client.
"""

SERVER_THREADS = 40
"""Threads of servers that have some. Chosen: as many as Starlette gives `def` routes."""


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

BlockingAnswerer = Callable[[str, bytes], Answer]
"""Answers one call on the thread that a server gave it."""


class Client(Protocol):
    """Calls from threads, which block; one for all threads. Connections are kept."""

    def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call. Raises ``TimeoutError`` or :class:`Unreachable`.

        The time limit holds for each wait on the socket, where the library knows no other.
        """

    def close(self) -> None:
        """Close the connections."""


class AwaitingClient(Protocol):
    """The same from one event loop, which goes on meanwhile."""

    async def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call. Raises ``TimeoutError`` or :class:`Unreachable`."""

    async def close(self) -> None:
        """Close the connections."""


# --- the files


@functools.cache
def names(kind: str) -> tuple[str, ...]:
    """The names of all ``clients``, ``servers`` or ``codecs``: those of the files."""
    package = importlib.import_module(f"{__name__}.{kind}")
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def find(kind: str, name: str) -> ModuleType:
    """The file of a client, server or codec.

    Raises ``ValueError`` if there is none, ``ImportError`` with the pip command if a package is missing.
    """
    if name not in names(kind):
        raise ValueError(f"unknown {kind[:-1]} {name!r}: one of {', '.join(names(kind))}")
    module = importlib.import_module(f"{__name__}.{kind}.{name}")
    absent = lacks(module.NEEDS)
    if absent:
        command = f"pip install {' '.join(absent)}"
        raise ImportError(f"the {kind[:-1]} {name} needs packages that are not installed: {command}")
    return module


_MODULES = {"grpcio": "grpc", "protobuf": "google.protobuf"}
_EXTRAS = {"http2": "h2"}


def lacks(needs: tuple[str, ...]) -> list[str]:
    """The pip requirements among these that this environment lacks."""
    return [requirement for requirement in needs if not _is_there(requirement)]


def _is_there(requirement: str) -> bool:
    name, _, extra = requirement.rstrip("]").partition("[")
    modules = [_MODULES.get(name, name), *([_EXTRAS[extra]] if extra else [])]
    return all(_has_module(module) for module in modules)


def _has_module(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # Of a parent.
        return False


def versions_of(needs: tuple[str, ...]) -> dict[str, str]:
    """Distribution → version of these requirements and of all that they bring along, as far as installed."""
    found: dict[str, str] = {}
    ahead = [requirement.partition("[")[::2] for requirement in needs]
    while ahead:
        name, extras = ahead.pop()
        key = name.lower().replace("_", "-")
        if key in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[key] = distribution.version
        for line in distribution.requires or ():
            match = re.match(r"[A-Za-z0-9._-]+", line)
            extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
            if match and (extra is None or extra[1] in extras):
                ahead.append((match[0], ""))
    return dict(sorted(found.items()))


# --- the rehearsal's stacks


class Stack(Protocol):
    """A client for threads, one for coroutines, and a server beside the app, for the rehearsal."""

    rpc_port_is_http_port: bool
    """Whether the app's own server carries the calls, too."""

    def call(self, address: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Call from a thread, which blocks."""

    async def call_async(self, address: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Call from the running event loop, which goes on."""

    def wrap_app(self, app: Any, answerer: Answerer) -> Any:
        """The ASGI app that the server shall run in place of ``app``."""

    async def start(self, port: int, answerer: Answerer) -> int:
        """Serve on loopback in the running loop; gives the port (0: the kernel chooses)."""

    async def stop(self) -> None:
        """End what :meth:`start` began."""


# Stack → its parts; of several alternatives the first that is installed is used.
_NEEDS = {
    "httpx": (("httpx2", "httpx"), ("orjson",), ("uvicorn",)),
    "grpc": (("grpcio",), ("orjson",), ("uvicorn",)),
}
NAMES = tuple(_NEEDS)


def require(name: str) -> None:
    """Raise ``ImportError`` with the pip command if a part is missing, or ``ValueError``."""
    if name not in _NEEDS:
        raise ValueError(f"unknown stack {name!r}: one of {', '.join(NAMES)}")
    absent = missing(name)
    if absent:
        command = f"pip install {' '.join(absent)}"
        raise ImportError(f"the stack {name} needs packages that are not installed: {command}")


def load(name: str) -> Stack:
    """A new stack of that name; raises as :func:`require` does."""
    require(name)
    from splitcost.stacks.rehearsed import GrpcStack, HttpxStack

    if name == "grpc":
        return GrpcStack()
    return HttpxStack("httpx2" if _is_there("httpx2") else "httpx")


def missing(name: str) -> list[str]:
    """The pip requirements that the stack lacks in this environment."""
    return [choices[0] for choices in _NEEDS[name] if not any(map(_is_there, choices))]


def versions(name: str) -> dict[str, str]:
    """Distribution → version of everything whose version can change what a call of this stack costs."""
    found = {}
    parts = [next((m for m in choices if _is_there(m)), None) for choices in _NEEDS[name]]
    for distribution in [*parts, "uvloop", "httptools", "h11", "httpcore2", "httpcore", "anyio"]:
        if distribution is None or (name == "grpc" and distribution.startswith("httpcore")):
            continue
        try:
            found[distribution] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
