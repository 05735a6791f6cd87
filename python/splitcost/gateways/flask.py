"""Flask and Quart: the rule that matched, and its view function."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from splitcost import _native
from splitcost.gateways import patch
from splitcost.gateways.request import MOST_ROUTES, found


def hook(module: ModuleType) -> None:
    """Follow the views that an app calls."""

    def find(app: Any, context: Any = None, *_: Any) -> None:
        # Flask's versions before 3.2 do not pass the context.
        note(app, module.request_ctx.request if context is None else context.request)

    def find_of_flask(app: Any, *context: Any) -> None:
        _native.note_server("flask")
        find(app, *context)

    def find_socket(app: Any, context: Any, *_: Any) -> None:
        note(app, context.websocket)

    if module.__name__ == "flask.app":
        patch.before(module.Flask, "full_dispatch_request", find_of_flask)
    else:
        patch.before(module.Quart, "full_dispatch_request", find)
        patch.before(module.Quart, "full_dispatch_websocket", find_socket)


def note(app: Any, request: Any) -> None:
    """Tell the rule and the view of a request."""
    rule = request.url_rule
    if rule is not None:
        view = app.view_functions.get(rule.endpoint)
        view_class = getattr(view, "view_class", None)
        found(template(rule.rule), view if view_class is None else view_class, request.method)


@functools.lru_cache(MOST_ROUTES)
def template(rule: str) -> str:
    """Return a rule of Werkzeug's, as ``/users/<int:id>``, as ``/users/{id}``."""
    parts = []
    for piece in rule.split("<"):
        name, closed, rest = piece.partition(">")
        parts.append(f"{{{name.rpartition(':')[2]}}}{rest}" if closed else piece)
    return "".join(parts)
