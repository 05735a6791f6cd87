"""Ninja, on Django: the operation that one view chooses among several."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.request import handled


def hook(module: ModuleType) -> None:
    """Follow the operations that run."""
    for kind in (module.Operation, module.AsyncOperation):
        patch.before(kind, "run", find)


def find(operation: Any, *_: Any, **__: Any) -> None:
    """Tell the handler of a request."""
    handled(operation.view_func)
