"""Litestar: the route, and its handler for the method."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.request import found


def hook(module: ModuleType) -> None:
    """Follow the routes of the kind that the module defines."""
    if module.__name__.endswith(".http"):
        patch.before(module.HTTPRoute, "handle", find)
    else:
        patch.before(module.WebSocketRoute, "handle", find_socket)


def find(route: Any, scope: Any, *_: Any) -> None:
    """Tell the route and the handler of a request."""
    note(route, route.route_handler_map[scope["method"]][0])


def find_socket(route: Any, *_: Any) -> None:
    """Tell the route and the handler of a WebSocket."""
    note(route, route.route_handler)


def note(route: Any, handler: Any) -> None:
    """Tell route and handler."""
    function = handler.fn
    # A function that Litestar runs on a thread.
    found(route.path_format, getattr(function, "func", function))
