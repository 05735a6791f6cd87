"""arq: each run of a function of a worker is a request."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.request import follow_job


def hook(module: ModuleType) -> None:
    """Follow the functions of workers."""
    patch.after(module.Worker, "__init__", wrap_functions)


def wrap_functions(_: Any, worker: Any, *arguments: Any, **options: Any) -> None:
    """Wrap the functions that a worker has."""
    for function in worker.functions.values():
        function.coroutine = wrapped(function.name, function.coroutine)


def wrapped(name: str, coroutine: Any) -> Any:
    """Return a function whose runs are requests."""

    @functools.wraps(coroutine)
    async def run(*arguments: Any, **options: Any) -> Any:
        return await follow_job("arq", name, lambda: coroutine, lambda: coroutine(*arguments, **options))

    return run
