"""RQ: each job that a worker performs is a request."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.request import run_job


def hook(module: ModuleType) -> None:
    """Follow the jobs that are performed."""
    patch.around(module.Job, "perform", perform)


def perform(original: Any, job: Any) -> Any:
    """Perform a job."""
    # The worker has imported the function, or has failed to.
    return run_job("rq", job.func_name, lambda: job.func, lambda: original(job))
