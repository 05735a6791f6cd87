"""Datasette, whose router is its own: the expression that matched, and its view."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.request import MOST_ROUTES, found


def hook(module: ModuleType) -> None:
    """Follow the views that are resolved."""
    patch.after(module, "resolve_routes", find)


def find(resolved: Any, *_: Any) -> None:
    """Tell the route and the view of a request."""
    match, view = resolved
    if match is not None:
        found(template(match.re.pattern), getattr(view, "view_class", view))


@functools.lru_cache(MOST_ROUTES)
def template(pattern: str) -> str:
    """Return an expression, as ``/(?P<table>[^/]+)(\\.json)?$``, as ``/{table}``: without optional parts."""
    written, group, depth, is_in_set = "", "", 0, False
    position = 0
    while position < len(pattern):
        character = pattern[position]
        step = 2 if character == "\\" else 1
        text = pattern[position : position + step]
        position += step
        if is_in_set:
            is_in_set = text != "]"
        elif text == "[":
            is_in_set = True
        elif text == "(":
            depth += 1
            group = pattern[position:] if depth == 1 else group
        elif text == ")":
            depth -= 1
            if depth == 0 and pattern[position : position + 1] == "?":
                position += 1
            elif depth == 0:
                name = group.removeprefix("?P<").partition(">")[0] if group.startswith("?P<") else "value"
                written += f"{{{name}}}"
        elif depth == 0 and text not in ("^", "$"):
            written += text[-1]
    return written or "/"
