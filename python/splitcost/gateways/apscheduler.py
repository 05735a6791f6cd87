"""APScheduler: each job that an executor runs is a request."""

from __future__ import annotations

from collections.abc import Awaitable
from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.request import follow_job, run_job


def hook(module: ModuleType) -> None:
    """Follow the jobs that are run."""
    patch.around(module, "run_job", run)
    patch.around(module, "run_coroutine_job", run_coroutine)


def run(original: Any, job: Any, *arguments: Any, **options: Any) -> Any:
    """Run a job."""
    return run_job(
        "apscheduler", name_of(job), lambda: job.func, lambda: original(job, *arguments, **options)
    )


def run_coroutine(original: Any, job: Any, *arguments: Any, **options: Any) -> Awaitable[Any]:
    """Run a job whose function is a coroutine function."""
    return follow_job(
        "apscheduler", name_of(job), lambda: job.func, lambda: original(job, *arguments, **options)
    )


def name_of(job: Any) -> str:
    """Return the name of the function of a job: those of jobs may be made of values."""
    return job.func_ref or "a job of apscheduler"
