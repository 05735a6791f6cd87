"""hypercorn: the app that it wraps by itself, of either kind, is wrapped."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.request import asgi, wsgi


def hook(module: ModuleType) -> None:
    """Follow the requests of servers."""
    patch.after(module.ASGIWrapper, "__init__", wrap_asgi)
    patch.after(module.WSGIWrapper, "__init__", wrap_wsgi)


def wrap_asgi(_: Any, wrapper: Any, *arguments: Any, **options: Any) -> None:
    """Wrap an ASGI app."""
    wrapper.app = asgi(wrapper.app, "hypercorn")


def wrap_wsgi(_: Any, wrapper: Any, *arguments: Any, **options: Any) -> None:
    """Wrap a WSGI app."""
    wrapper.app = wsgi(wrapper.app, "hypercorn")
