"""cheroot, CherryPy's server: the app that a server is given is wrapped."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost.gateways import limits, patch
from splitcost.gateways.request import wsgi


def hook(module: ModuleType) -> None:
    """Follow the requests of servers."""
    patch.after(module.Server, "__init__", wrap_app)


def wrap_app(_: Any, server: Any, *arguments: Any, **options: Any) -> None:
    """Wrap the app of a server."""
    server.wsgi_app = wsgi(server.wsgi_app, "cheroot")
    limits.server_threads(lambda: server.numthreads)
