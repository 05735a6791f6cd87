"""The parts that carry calls: clients, codecs and servers, one short file each, and stacks composed of them.

Each file in ``clients/``, ``servers/`` and ``codecs/`` has ``PARTS``: one or several names, each with a
:class:`ClientPart`, :class:`ServerPart` or :class:`CodecPart`. To add a part, add a file, or a row to the
table of a family such as ``clients/httpx.py``. Every file can be imported without the libraries that its
parts need: libraries are imported when something is made.

A client carries one line of ASCII metadata and a body of bytes, and returns an :class:`Answer`; the meaning
of both is the caller's business. ``python -m splitcost.stacks --json`` lists the parts; its verbs ``serve``
and ``drive`` run one side of a measurement.

A :class:`Stack` names a client, a codec, a transport and a server. A rehearsal uses two clients of the same
library, one that blocks and one that is awaited: :func:`load` composes a :class:`Carrier` of these parts.
"""

from __future__ import annotations

import enum
import functools
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from splitcost.stacks.codecs import Codec

__all__ = [
    "NAMES",
    "Answer",
    "Answerer",
    "AwaitingClient",
    "AwaitingClientPart",
    "AwaitingServerPart",
    "BlockingAnswerer",
    "BlockingClientPart",
    "BlockingServerPart",
    "Carrier",
    "Client",
    "ClientPart",
    "CodecPart",
    "Part",
    "ServerPart",
    "Stack",
    "Status",
    "Unreachable",
    "client_parts",
    "codec_parts",
    "find_client",
    "find_codec",
    "find_server",
    "lacks",
    "load",
    "missing",
    "require",
    "server_parts",
    "too_large",
    "versions",
    "versions_of",
]

PATH = "/__splitcost__/call"
"""The path at which HTTP servers take calls."""

HEADER = "x-splitcost-call"
"""The header, in gRPC the metadata key, that carries a call's line."""

MAX_BODY_BYTES = 64 * 1024 * 1024
"""The largest body of a call or of its answer; a larger one is refused.

Chosen: far above any call worth making.
"""

KEPT_SECS = 3.0
"""The time for which clients keep a connection that is not used.

Chosen: uvicorn closes one after 5 s; a client that gives it up earlier never loses a call.
"""

CONNECTIONS = 100
"""The connections that a client keeps. Chosen: httpx's default; above the concurrency that is measured.

A rehearsal whose policy sets another number assigns it before it makes a client.
"""

SERVER_THREADS = 40
"""The threads of servers that have a pool. Chosen: as many as Starlette gives `def` routes."""


class Status(enum.IntEnum):
    """The verdict of the other side on a message; numbered as in HTTP."""

    OK = 200
    INVALID = 400
    UNAUTHENTICATED = 401
    NOT_FOUND = 404
    TOO_LARGE = 413


def too_large(what: str, size: int) -> str:
    """Return the reason to refuse a body of more than :data:`MAX_BODY_BYTES`."""
    return f"{what} would be {size:,} bytes, and {MAX_BODY_BYTES:,} are allowed"


class Answer(NamedTuple):
    """An answer that came back, or that a server sends back."""

    status: int
    body: bytes


class Unreachable(Exception):
    """No server answers there, or the connection broke."""


Answerer = Callable[[str, bytes], Awaitable[Answer]]
"""Answers one call on the event loop, given the metadata line and the body."""

BlockingAnswerer = Callable[[str, bytes], Answer]
"""Answers one call on the thread that a server gave it."""


class Client(Protocol):
    """A client for threads: a call blocks. One client serves all threads and keeps its connections."""

    def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call. Raises ``TimeoutError`` or :class:`Unreachable`.

        The time limit holds for each wait on the socket, where the library has no other limit.
        """

    def close(self) -> None:
        """Close the connections."""


class AwaitingClient(Protocol):
    """A client for one event loop, which runs other tasks while a call is under way."""

    async def call(self, url: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Make one call. Raises ``TimeoutError`` or :class:`Unreachable`."""

    async def close(self) -> None:
        """Close the connections."""


# --- the parts


@dataclass(frozen=True, kw_only=True)
class Part:
    """A client, a server or a codec."""

    summary: str
    """One sentence for people."""
    needs: tuple[str, ...] = ()
    """The pip requirements."""


@dataclass(frozen=True, kw_only=True)
class ClientPart(Part):
    """A client; it is a :class:`BlockingClientPart` or an :class:`AwaitingClientPart`."""

    awaits: ClassVar[bool]
    transports: tuple[str, ...] = ("http/1.1",)
    keeping: str = ""
    """For a client that connects for every call: its library's client that keeps connections."""

    @property
    def per_call(self) -> bool:
        """True for a client that connects for every call."""
        return bool(self.keeping)


@dataclass(frozen=True, kw_only=True)
class BlockingClientPart(ClientPart):
    """A client for threads."""

    awaits: ClassVar[bool] = False
    make: Callable[[str], Client]
    """Transport → a new client."""


@dataclass(frozen=True, kw_only=True)
class AwaitingClientPart(ClientPart):
    """A client for an event loop."""

    awaits: ClassVar[bool] = True
    make: Callable[[str], AwaitingClient]
    """Transport → a new client, made in the loop that uses it."""


@dataclass(frozen=True, kw_only=True)
class ServerPart(Part):
    """A server; it is a :class:`BlockingServerPart` or an :class:`AwaitingServerPart`.

    ``serve(answerer, listener, transport, announce)`` serves until the process is asked to terminate. It
    calls ``announce()`` in the process that serves.
    """

    awaits: ClassVar[bool]
    transports: tuple[str, ...] = ("http/1.1",)


@dataclass(frozen=True, kw_only=True)
class BlockingServerPart(ServerPart):
    """A server that gives each call a thread."""

    awaits: ClassVar[bool] = False
    serve: Callable[[BlockingAnswerer, socket.socket, str, Callable[[], None]], None]


@dataclass(frozen=True, kw_only=True)
class AwaitingServerPart(ServerPart):
    """A server that answers calls on an event loop."""

    awaits: ClassVar[bool] = True
    serve: Callable[[Answerer, socket.socket, str, Callable[[], None]], None]


@dataclass(frozen=True, kw_only=True)
class CodecPart(Part):
    """A codec; see :mod:`splitcost.stacks.codecs`."""

    make: Callable[[Any], Codec]
    """Sample → a codec for values like it."""
    has_schema: bool = False
    """True for a codec that derives a schema from the sample, and so has objects of its own."""


@functools.cache
def client_parts() -> dict[str, ClientPart]:
    """Return all clients by name, in alphabetical order."""
    return _parts("clients")


@functools.cache
def server_parts() -> dict[str, ServerPart]:
    """Return all servers by name, in alphabetical order."""
    return _parts("servers")


@functools.cache
def codec_parts() -> dict[str, CodecPart]:
    """Return all codecs by name, in alphabetical order."""
    return _parts("codecs")


def _parts(folder: str) -> dict[str, Any]:
    package = importlib.import_module(f"{__name__}.{folder}")
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            found |= importlib.import_module(f"{package.__name__}.{module.name}").PARTS
    return dict(sorted(found.items()))


def find_client(name: str) -> ClientPart:
    """Return the client of that name.

    Raises ``ValueError`` if it is unknown, ``ImportError`` with the pip command if a package is missing.
    """
    return _checked("client", name, client_parts())


def find_server(name: str) -> ServerPart:
    """Return the server of that name; raises as :func:`find_client` does."""
    return _checked("server", name, server_parts())


def find_codec(name: str) -> CodecPart:
    """Return the codec of that name; raises as :func:`find_client` does."""
    return _checked("codec", name, codec_parts())


_Part = TypeVar("_Part", bound=Part)


def _checked(kind: str, name: str, parts: Mapping[str, _Part]) -> _Part:
    if name not in parts:
        raise ValueError(f"unknown {kind} {name!r}: one of {', '.join(parts)}")
    absent = lacks(parts[name].needs)
    if absent:
        command = f"pip install {' '.join(absent)}"
        raise ImportError(f"the {kind} {name} needs packages that are not installed: {command}")
    return parts[name]


@dataclass(frozen=True)
class Stack:
    """A client, a codec, a transport and a server, each by its name."""

    client: str
    codec: str
    transport: str
    server: str

    @classmethod
    def parse(cls, text: str, usual_servers: Mapping[str, str]) -> Stack:
        """Return the stack of ``CLIENT+CODEC+SERVER``, or of a client alone with orjson and its usual server.

        ``usual_servers`` maps a transport to a server. Raises ``ValueError`` and ``ImportError`` as
        :func:`find_client` does, and ``ValueError`` if client and server share no transport.
        """
        names = [_SHORT_NAMES.get(part.strip(), part.strip()) for part in text.split("+")]
        if len(names) not in (1, 3):
            raise ValueError(f"{text!r} is no stack: write CLIENT+CODEC+SERVER, as aiohttp+orjson+uvicorn")
        client = find_client(names[0])
        if len(names) == 1:
            names += ["orjson", usual_servers[client.transports[0]]]
        find_codec(names[1])
        server = find_server(names[2])
        shared = [transport for transport in client.transports if transport in server.transports]
        if not shared:
            one, other = " and ".join(client.transports), " and ".join(server.transports)
            raise ValueError(f"{text}: the client speaks {one}, the server {other}")
        return cls(names[0], names[1], shared[0], names[2])


_SHORT_NAMES = {
    "uvicorn": "uvicorn_httptools_uvloop",
    "gunicorn": "gunicorn_flask",
    "httpx": "httpx_sync",
    "httpx2": "httpx2_sync",
    "requests": "requests_session",
    "grpc": "grpcio",
}


# --- the packages of this environment

_MODULES = {"grpcio": "grpc", "protobuf": "google.protobuf"}
_EXTRAS = {"http2": "h2"}


def lacks(needs: tuple[str, ...]) -> list[str]:
    """Return the pip requirements among these that this environment lacks."""
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
    """Return distribution → version of these requirements and of their dependencies, as far as installed."""
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


# --- the rehearsal


class Carrier(Protocol):
    """The network side of a rehearsed service: two clients, and a server beside the app."""

    def call(self, address: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Call from a thread, which blocks."""

    async def call_async(self, address: str, line: str, body: bytes, timeout_secs: float) -> Answer:
        """Call from the running event loop, which runs other tasks meanwhile."""

    async def serve(self, listeners: Sequence[socket.socket], answerer: Answerer) -> None:
        """Answer calls in the running loop, at bound sockets that other processes may share, until cancelled."""


# Name of a rehearsal's stack → its packages; of several alternatives the first that is installed is used.
_NEEDS = {
    "httpx": (("httpx2[http2]", "httpx[http2]"), ("orjson",), ("uvicorn",)),
    "grpc": (("grpcio",), ("orjson",), ("uvicorn",)),
}
NAMES = tuple(_NEEDS)


def require(name: str) -> None:
    """Raise ``ImportError`` with the pip command if a package is missing, or ``ValueError``."""
    if name not in _NEEDS:
        raise ValueError(f"unknown stack {name!r}: one of {', '.join(NAMES)}")
    absent = missing(name)
    if absent:
        command = f"pip install {' '.join(absent)}"
        raise ImportError(f"the stack {name} needs packages that are not installed: {command}")


def load(name: str) -> Carrier:
    """Return a new carrier of the stack of that name; raises as :func:`require` does."""
    require(name)
    from splitcost.stacks.rehearsed import GrpcCarrier, HttpxCarrier

    if name == "grpc":
        return GrpcCarrier()
    return HttpxCarrier("httpx2" if _is_there("httpx2") else "httpx")


def missing(name: str) -> list[str]:
    """Return the pip requirements that the stack lacks in this environment."""
    return [choices[0] for choices in _NEEDS[name] if not any(map(_is_there, choices))]


def versions(name: str) -> dict[str, str]:
    """Return distribution → version of every package whose version can change the cost of a call."""
    found = {}
    parts = [next((m for m in choices if _is_there(m)), None) for choices in _NEEDS[name]]
    names = [part.partition("[")[0] for part in parts if part]
    for distribution in [*names, "uvloop", "httptools", "h11", "httpcore2", "httpcore", "anyio"]:
        if name == "grpc" and distribution.startswith("httpcore"):
            continue
        try:
            found[distribution] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
