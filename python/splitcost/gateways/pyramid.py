"""Pyramid: the view that runs, which is known where its mapped form is called, and the route that matched."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from splitcost._guard import attempt
from splitcost.gateways import patch
from splitcost.gateways.request import found, routed
from splitcost.gateways.template import braces


def hook(module: ModuleType) -> None:
    """Follow the views that are mapped."""
    patch.around(module.DefaultViewMapper, "__call__", map_view)


def map_view(original: Any, mapper: Any, view: Any) -> Any:
    """Return the mapped view, which tells when it is called."""
    mapped = original(mapper, view)

    @functools.wraps(mapped)
    def noting(context: Any, request: Any) -> Any:
        attempt(find, view, mapper, request)
        return mapped(context, request)

    return noting


def find(view: Any, mapper: Any, request: Any) -> None:
    """Tell the route and the view of a request. The view of an exception (a missing permission, say) handles none."""
    facts = request.__dict__
    route = facts.get("matched_route")
    pattern = braces(route.pattern) if route is not None else None
    if facts.get("exception") is None:
        found(pattern, view, mapper.attr or "__call__")
    else:
        routed(pattern)
