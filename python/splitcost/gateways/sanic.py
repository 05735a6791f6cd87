"""Sanic: the request that an app handles, and its route."""

from __future__ import annotations

from collections.abc import Awaitable
from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.http import follow_http
from splitcost.gateways.request import Request, found


def hook(module: ModuleType) -> None:
    """Follow the requests of apps."""
    patch.around(module.Sanic, "handle_request", handle)


def handle(original: Any, app: Any, asked: Any) -> Awaitable[Any]:
    """Handle a request."""

    def note(request: Request, _: Any, error: BaseException | None) -> None:
        stream = asked.stream
        request.status = getattr(getattr(stream, "response", None) or asked.responded, "status", 0)
        route = asked.route
        if route is not None:
            view = route.handler
            found(template(route.path), getattr(view, "view_class", view), asked.method)

    return follow_http("sanic", asked, lambda: original(app, asked), note)


def template(path: str) -> str:
    """Return a path, as ``users/<id:int>``, as ``/users/{id}``."""
    parts = []
    for piece in path.split("<"):
        name, closed, rest = piece.partition(">")
        parts.append(f"{{{name.partition(':')[0]}}}{rest}" if closed else piece)
    return "/" + "".join(parts).lstrip("/")
