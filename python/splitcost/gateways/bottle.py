"""Bottle, also where an app carries a copy of its one file: the route that matched."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.request import found


def hook(module: ModuleType) -> None:
    """Follow the routes that match."""
    router = getattr(module, "Router", None)
    # Other modules are named so, too.
    if getattr(router, "__module__", None) == module.__name__ and hasattr(router, "match"):
        patch.after(router, "match", find)


def find(match: Any, _: Any, environ: dict[str, Any]) -> None:
    """Tell the rule and the callback of a request."""
    route = match[0]
    found(template(route.rule), route.callback, environ["REQUEST_METHOD"])


def template(rule: str) -> str:
    """Return a rule, as ``/users/<id:int>``, ``/users/:id`` or ``/users/:id#[0-9]+#``, as ``/users/{id}``."""
    rule = re.sub(r"<(\w*)(?::[^<>]*)?>", lambda found: f"{{{found[1]}}}", rule)
    return re.sub(r"/:(\w+)(?:#.*?#)?", r"/{\1}", rule)
