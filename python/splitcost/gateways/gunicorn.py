"""gunicorn: the app of its workers with and without threads, and of its own ASGI workers.

Workers of uvicorn are uvicorn's.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost.gateways import limits, patch
from splitcost.gateways.request import asgi, wsgi

#: The worker that each module defines.
_WORKERS = {"sync": "SyncWorker", "gthread": "ThreadWorker", "gasgi": "ASGIWorker"}


def hook(module: ModuleType) -> None:
    """Follow the requests of the worker that the module defines, or count the workers."""
    name = module.__name__.rpartition(".")[2]
    if name == "base":
        patch.after(module.Worker, "__init__", count_workers)
    else:
        patch.after(getattr(module, _WORKERS[name]), "load_wsgi", wrap_app)


def count_workers(_: Any, worker: Any, *arguments: Any, **options: Any) -> None:
    """Note the number of workers: also of those that other packages define."""
    limits.processes(lambda: worker.cfg.workers)


def wrap_app(_: Any, worker: Any) -> None:
    """Wrap the app of a worker."""
    if hasattr(worker, "asgi"):
        worker.asgi = asgi(worker.asgi, "gunicorn")
    else:
        worker.wsgi = wsgi(worker.wsgi, "gunicorn")
        # Workers without threads ignore the option.
        limits.server_threads(lambda: worker.cfg.threads if hasattr(worker, "tpool") else 1)
