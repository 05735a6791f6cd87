"""Celery: each run of a task, with what surrounds it, is a request."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.request import run_job


def hook(module: ModuleType) -> None:
    """Follow the tasks that are traced."""
    patch.around(module, "build_tracer", build_tracer)


def build_tracer(original: Any, name: str, task: Any, *arguments: Any, **options: Any) -> Callable[..., Any]:
    """Return the function that runs a task, as requests."""
    trace = original(name, task, *arguments, **options)

    @functools.wraps(trace)
    def traced(*inputs: Any, **more: Any) -> Any:
        return run_job("celery", name, lambda: task.run, lambda: trace(*inputs, **more))

    return traced
