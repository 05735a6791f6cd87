"""Dramatiq: each message that a worker processes is a request."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.request import run_job


def hook(module: ModuleType) -> None:
    """Follow the messages that are processed."""
    patch.around(module._WorkerThread, "process_message", process_message)


def process_message(original: Any, thread: Any, message: Any) -> None:
    """Process a message."""
    name = message.actor_name
    run_job("dramatiq", name, lambda: thread.broker.get_actor(name).fn, lambda: original(thread, message))
