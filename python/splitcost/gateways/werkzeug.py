"""Werkzeug's server, which Flask's command line starts: the app that a server is given is wrapped."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost.gateways import limits, patch
from splitcost.gateways.request import wsgi


def hook(module: ModuleType) -> None:
    """Follow the requests of servers."""
    patch.after(module.BaseWSGIServer, "__init__", wrap_app)


def wrap_app(_: Any, server: Any, *arguments: Any, **options: Any) -> None:
    """Wrap the app of a server."""
    server.app = wsgi(server.app, "werkzeug")
    limits.server_threads(lambda: None if server.multithread else 1)
    if server.multiprocess:
        limits.processes(lambda: server.max_children)
