"""wsgiref, on which Django's development server is built."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost._guard import attempt
from splitcost.gateways import limits, patch
from splitcost.gateways.request import wsgi


def hook(module: ModuleType) -> None:
    """Follow the requests that a handler of the server runs."""
    patch.around(module.BaseHandler, "run", run)


def run(original: Any, handler: Any, application: Any) -> None:
    """Run a request with the app wrapped."""
    wrapped = attempt(wsgi, application, "wsgiref")
    limits.server_threads(lambda: threads_of(handler.request_handler.server))
    original(handler, application if wrapped is None else wrapped)


def threads_of(server: Any) -> int | None:
    """Return the number of threads of a server; `None` stands for one for each request."""
    # Of `socketserver.ThreadingMixIn`, which Django's server inherits from.
    return None if hasattr(type(server), "process_request_thread") else 1
