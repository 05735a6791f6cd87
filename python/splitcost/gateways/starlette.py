"""Starlette and FastAPI: apps that no known server runs, and the routes of all.

A route is noted where it is handled: the scope that the server has may be another than the route's, which a
middleware copied.
"""

from __future__ import annotations

import functools
import re
from types import ModuleType
from typing import Any

from splitcost._guard import attempt
from splitcost.gateways import patch
from splitcost.gateways.request import (
    MOST_ROUTES,
    Receive,
    Scope,
    Send,
    asgi_request,
    found,
    mounted,
    run_asgi,
)


def hook(module: ModuleType) -> None:
    """Follow the requests of apps, or the routes."""
    if module.__name__ == "starlette.applications":
        _hook_app(module.Starlette)
    elif module.__name__ == "starlette.routing":
        patch.before(module.Route, "handle", find)
        patch.before(module.WebSocketRoute, "handle", find)
        patch.before(module.Mount, "handle", find_mount)
    else:
        patch.before(module.APIRoute, "handle", functools.partial(find_included, module))


def _hook_app(kind: Any) -> None:
    original = kind.__call__

    # Servers look at the kind of this function, and at what it does without arguments.
    @functools.wraps(original)
    async def call(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        request = attempt(asgi_request, "starlette", self, scope)
        if request is None:
            await original(self, scope, receive, send)
        else:
            await run_asgi(request, functools.partial(original, self), scope, receive, send)

    kind.__call__ = call


def find(route: Any, scope: Scope, *_: Any) -> None:
    """Tell the route of a request."""
    _find(route, route.path, scope)


def find_mount(mount: Any, *_: Any) -> None:
    """Tell the place of an app in another."""
    mounted(template(mount.path))


def find_included(module: ModuleType, route: Any, scope: Scope, *_: Any) -> None:
    """Tell the route of a request, with the prefix of the router that includes it."""
    context_of = getattr(module, "_get_scope_effective_route_context", None)
    context = context_of(scope) if context_of is not None else None
    if context is not None and context.original_route is route:
        _find(route, context.path, scope)
    else:
        find(route, scope)


def _find(route: Any, path: str, scope: Scope) -> None:
    found(template(path), route.endpoint, scope.get("method", ""))


@functools.lru_cache(MOST_ROUTES)
def template(path: str) -> str:
    """Return a path, as ``/users/{id:uuid}``, as ``/users/{id}``."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)
