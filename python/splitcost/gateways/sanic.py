"""Sanic: the request that an app handles, and its route.

Sanic rewrites the method of the app that handles requests, but not the reference that its protocol holds.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable
from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.http import follow_http
from splitcost.gateways.request import Request, found


def hook(module: ModuleType) -> None:
    """Follow the requests of the protocol."""
    patch.after(module.HttpProtocolMixin, "_setup", wrap_app)


def wrap_app(_: Any, protocol: Any) -> None:
    """Wrap the app of a protocol."""
    protocol.request_handler = functools.partial(handle, protocol.request_handler)


def handle(original: Any, asked: Any) -> Awaitable[Any]:
    """Handle a request."""

    def note(request: Request, _: Any, error: BaseException | None) -> None:
        stream = asked.stream
        request.status = getattr(getattr(stream, "response", None), "status", 0)
        route = asked.route
        if route is not None:
            view = route.handler
            found(template(route.path), getattr(view, "view_class", view), asked.method)

    return follow_http("sanic", asked, lambda: original(asked), note)


def template(path: str) -> str:
    """Return a path, as ``users/<id:int>``, as ``/users/{id}``."""
    parts = []
    for piece in path.split("<"):
        name, closed, rest = piece.partition(">")
        parts.append(f"{{{name.partition(':')[0]}}}{rest}" if closed else piece)
    return "/" + "".join(parts).lstrip("/")
