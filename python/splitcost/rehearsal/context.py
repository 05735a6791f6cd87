"""The context that goes along with a call: request, deadline, and the chain of services that wait for it."""

from __future__ import annotations

import itertools
import os
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from splitcost import __version__

if TYPE_CHECKING:
    from splitcost.rehearsal.transactions import Uses


class Context(NamedTuple):
    """The request this code runs for; ``chain`` ends with this service, and waiting hops may be marked."""

    request: str
    deadline: float | None
    chain: tuple[str, ...]
    uses: Uses | None = None
    """The transactions of the call that this process answers; `None` in the service that took the request."""


class Metadata(NamedTuple):
    """One line of ASCII beside each call's body, the same over every stack; it begins with :data:`SPEAKER`."""

    token: str
    function: str
    caller: str
    remaining_micros: int
    request: str
    chain: tuple[str, ...]


SPEAKER = f"splitcost/{__version__}"
"""The version that speaks. Messages differ between versions: services of two versions do not call each other."""

BLOCKED = "!"
"""Follows the name of a service whose event loop stands still until its call returns."""

AT_PORT = "#"
"""Stands between a function and the port of the one process of its service that has to answer."""

current: ContextVar[Context | None] = ContextVar("splitcost_rehearsal", default=None)
"""``None`` outside every request: start-up and background work is each process's own; its calls are local."""


class Site(NamedTuple):
    """A call site: boundary module, file and line."""

    caller: str
    file: str
    line: int


class _Thread(threading.local):
    site: Site | None = None


handed_by = _Thread()
"""The call site that handed the running work to this thread; the thread's own frames do not show it."""

_prefix = f"{os.getpid():x}-"
_count = itertools.count(1)


def new_request(service: str, endpoint: str = "") -> Context:
    """The context of a request that came from outside; its endpoint is part of its name, in one word."""
    return Context(f"{_prefix}{next(_count)}:{endpoint}", None, (service,))


def endpoint_of(request: str) -> str:
    """The endpoint in a request's name, quoted as one word; :func:`shown` gives the load generator's name."""
    return request.partition(":")[2]


def shown(endpoint: str) -> str:
    """The load generator's name of a quoted endpoint."""
    return unquote(endpoint)


def format_metadata(
    token: str, function: str, caller: str, remaining: float, request: str, chain: tuple[str, ...]
) -> str:
    """The line that :func:`parse_metadata` reads."""
    return f"{SPEAKER} {token} {function} {caller} {int(remaining * 1e6)} {request} {','.join(chain)}"


def parse_metadata(line: str) -> Metadata | str:
    """Read the line; a string is the reason why it cannot be read."""
    speaker, *parts = line.split(" ")
    if speaker != SPEAKER and speaker.startswith("splitcost/"):
        return f"the caller is {speaker[:40]}, and this is {SPEAKER}: all services need the same version"
    if speaker != SPEAKER or len(parts) != 6 or not parts[3].isdecimal() or len(line) > 8192:
        return "the metadata of the call is malformed"
    return Metadata(parts[0], parts[1], parts[2], int(parts[3]), parts[4], tuple(parts[5].split(",")))


def deadline_in(seconds: float) -> float:
    """An instant on the clock that :class:`Context` uses."""
    return time.monotonic() + seconds
