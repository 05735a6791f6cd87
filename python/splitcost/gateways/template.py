"""Templates of routes, in one notation."""

from __future__ import annotations

import functools

from splitcost.gateways.request import MOST_ROUTES

__all__ = ["braces"]


@functools.lru_cache(MOST_ROUTES)
def braces(pattern: str) -> str:
    """Return a pattern, as ``items/{id:int}`` or ``/items/{id:\\d{2}}``, as ``/items/{id}``."""
    written, name, depth = "", "", 0
    for character in pattern:
        if character == "}" and depth:
            depth -= 1
            if depth == 0:
                written += f"{{{name.partition(':')[0]}}}"
                continue
        if character == "{":
            depth += 1
            if depth == 1:
                name = ""
                continue
        if depth:
            name += character
        else:
            written += character
    return written if written.startswith("/") else "/" + written
