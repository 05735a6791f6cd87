"""gunicorn: the app of its workers with and without threads, and of its own ASGI workers.

Workers of uvicorn are uvicorn's.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.request import asgi, wsgi

#: The worker that each module defines.
_WORKERS = {"sync": "SyncWorker", "gthread": "ThreadWorker", "gasgi": "ASGIWorker"}


def hook(module: ModuleType) -> None:
    """Follow the requests of the worker that the module defines."""
    worker = _WORKERS[module.__name__.rpartition(".")[2]]
    patch.after(getattr(module, worker), "load_wsgi", wrap_app)


def wrap_app(_: Any, worker: Any) -> None:
    """Wrap the app of a worker."""
    if hasattr(worker, "asgi"):
        worker.asgi = asgi(worker.asgi, "gunicorn")
    else:
        worker.wsgi = wsgi(worker.wsgi, "gunicorn")
