"""granian: the app that its workers call, of either kind, is wrapped."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost.gateways import patch
from splitcost.gateways.request import asgi, wsgi
from splitcost.recorder import attempt


def hook(module: ModuleType) -> None:
    """Follow the requests of workers."""
    wrap = asgi if module.__name__ == "granian.asgi" else wsgi

    def wrapped(original: Any, callback: Any, *arguments: Any, **options: Any) -> Any:
        entry: Any = attempt(wrap, callback, "granian")
        return original(callback if entry is None else entry, *arguments, **options)

    patch.around(module, "_callback_wrapper", wrapped)
