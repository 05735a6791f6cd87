"""Tornado: the request that a handler executes, and the pattern that matched."""

from __future__ import annotations

from collections.abc import Awaitable
from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.http import follow_http
from splitcost.gateways.request import Request, found

_PATTERN = "_splitcost_pattern"


def hook(module: ModuleType) -> None:
    """Follow the requests of handlers, or the patterns that match."""
    if module.__name__ == "tornado.web":
        patch.around(module.RequestHandler, "_execute", execute)
    else:
        patch.after(module.PathMatches, "match", keep_pattern)


def keep_pattern(match: Any, pattern: Any, asked: Any) -> None:
    """Keep the pattern that matched a request, in the request."""
    if match is not None:
        setattr(asked, _PATTERN, pattern)


def execute(original: Any, handler: Any, *arguments: Any, **options: Any) -> Awaitable[Any]:
    """Execute a request."""
    asked = handler.request

    def note(request: Request, _: Any, error: BaseException | None) -> None:
        request.status = handler.get_status()
        pattern = getattr(asked, _PATTERN, None)
        found(template(pattern) if pattern is not None else None, type(handler), asked.method)

    return follow_http("tornado", asked, lambda: original(handler, *arguments, **options), note)


def template(pattern: Any) -> str | None:
    """Return a pattern with its groups as ``{name}``; `None` where Tornado itself cannot take it apart."""
    if pattern._path is None:
        return None
    names = {number: name for name, number in pattern.regex.groupindex.items()}
    groups = (f"{{{names.get(number + 1, '')}}}" for number in range(pattern.regex.groups))
    written: str = pattern._path % tuple(groups)
    return written
