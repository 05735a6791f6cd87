"""granian: the app that its workers call, of either kind, is wrapped."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost._guard import attempt
from splitcost.gateways import limits, patch
from splitcost.gateways.request import asgi, wsgi


def hook(module: ModuleType) -> None:
    """Follow the requests of workers, or count them."""
    if module.__name__ == "granian.server.common":
        patch.after(module.AbstractServer, "__init__", count_workers)
        return
    wrap = asgi if module.__name__ == "granian.asgi" else wsgi

    def wrapped(original: Any, callback: Any, *arguments: Any, **options: Any) -> Any:
        entry: Any = attempt(wrap, callback, "granian")
        return original(callback if entry is None else entry, *arguments, **options)

    patch.around(module, "_callback_wrapper", wrapped)


def count_workers(_: Any, server: Any, *arguments: Any, **options: Any) -> None:
    """Note the workers of a server, and the threads of each: a worker that is forked has them."""
    limits.processes(lambda: server.workers)
    if server.interface == "wsgi":
        limits.server_threads(lambda: server.blocking_threads)
