"""uvicorn, also as a worker of gunicorn: the app that it has loaded is wrapped."""

from __future__ import annotations

import multiprocessing
from types import ModuleType
from typing import Any

from splitcost.gateways import limits, patch
from splitcost.gateways.request import asgi


def hook(module: ModuleType) -> None:
    """Follow the requests of servers."""
    patch.after(module.Config, "load", wrap_app)


def wrap_app(_: Any, config: Any) -> None:
    """Wrap the app of a server."""
    config.loaded_app = asgi(config.loaded_app, "uvicorn")
    # A server that is started by the app itself, or that reloads it, ignores the option.
    is_worker = multiprocessing.parent_process() is not None
    limits.processes(lambda: config.workers if is_worker and not config.reload else 1)
