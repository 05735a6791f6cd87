"""hypercorn: the app that it wraps by itself, of either kind, is wrapped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

from splitcost.gateways import limits, patch
from splitcost.gateways.request import asgi, wsgi


def hook(module: ModuleType) -> None:
    """Follow the requests of servers, or count their workers."""
    if module.__name__ == "hypercorn.asyncio.run":
        patch.before(module, "worker_serve", count_workers)
        return
    patch.after(module.ASGIWrapper, "__init__", wrap_asgi)
    patch.after(module.WSGIWrapper, "__init__", wrap_wsgi)


def wrap_asgi(_: Any, wrapper: Any, *arguments: Any, **options: Any) -> None:
    """Wrap an ASGI app."""
    wrapper.app = asgi(wrapper.app, "hypercorn")


def wrap_wsgi(_: Any, wrapper: Any, *arguments: Any, **options: Any) -> None:
    """Wrap a WSGI app."""
    wrapper.app = wsgi(wrapper.app, "hypercorn")
    # It hands requests to the executor that asyncio makes by default.
    limits.server_threads(lambda: ThreadPoolExecutor()._max_workers)


def count_workers(_: Any, config: Any, *arguments: Any, **options: Any) -> None:
    """Note the number of workers; 0 stands for the process itself."""
    limits.processes(lambda: max(config.workers, 1))
