"""Django, by WSGI and ASGI: the match of its resolver, and the view with the libraries that wrap views."""

from __future__ import annotations

import functools
import re
from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.handler import function_id
from splitcost.gateways.request import MOST_ROUTES, found


def hook(module: ModuleType) -> None:
    """Follow the views that are resolved."""
    patch.after(module.BaseHandler, "resolve_request", find)


def find(match: Any, _: Any, request: Any) -> None:
    """Tell the route and the view of a request."""
    found("/" + template(match.route), view_of(match.func, request.method), request.method)


def view_of(view: Any, method: str) -> Any:
    """Return the class, method or function behind a view; the class of a view for a method that a library has."""
    facts = getattr(view, "__dict__", {})
    # Django's views by class; those of the REST framework, where a set of views maps methods to its own.
    kind = facts.get("view_class") or facts.get("cls")
    name = (facts.get("actions") or {}).get(method.lower())
    if kind is None:
        return view
    method_of_set = None if name is None else getattr(kind, name, None)
    return kind if method_of_set is None or function_id(method_of_set) is None else method_of_set


@functools.lru_cache(MOST_ROUTES)
def template(route: str) -> str:
    """Return a route, as ``users/<int:id>`` or ``^users/(?P<id>[0-9]+)$``, as ``users/{id}``."""
    route = _named_groups(route)
    return (
        re.sub(r"<(?:[^<>:]*:)?(\w+)>", r"{\1}", route).replace("^", "").replace("$", "").replace("\\Z", "")
    )


def _named_groups(route: str) -> str:
    """Replace the groups of a regular expression by ``<name>``."""
    written, depth, name = "", 0, ""
    position = 0
    while position < len(route):
        character = route[position]
        if character == "\\" and depth:
            position += 1
        elif character == "(":
            if depth == 0:
                named = re.match(r"\(\?P<(\w+)>", route[position:])
                name = named[1] if named is not None else "value"
            depth += 1
        elif character == ")" and depth:
            depth -= 1
            if depth == 0:
                written += f"<{name}>"
        elif depth == 0:
            written += character
        position += 1
    return written
