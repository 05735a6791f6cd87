"""aiohttp.web: the request that an application handles, and the match of its router."""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.http import follow_http
from splitcost.gateways.request import Request, found


def hook(module: ModuleType) -> None:
    """Follow the requests of applications."""
    patch.around(module.Application, "_handle", handle)


def handle(original: Any, app: Any, asked: Any) -> Awaitable[Any]:
    """Handle a request."""

    def note(request: Request, response: Any, error: BaseException | None) -> None:
        # The server answers with such an exception; any other is an error of the app's.
        answer = error if isinstance(error, sys.modules["aiohttp.web_exceptions"].HTTPException) else response
        request.status = answer.status if answer is not None else 0
        match = asked.match_info
        resource = match.route.resource if match is not None else None
        if resource is not None:
            found(resource.canonical, match.handler, asked.method)

    return follow_http("aiohttp", asked, lambda: original(app, asked), note)
