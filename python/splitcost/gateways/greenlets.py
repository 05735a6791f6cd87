"""gevent and eventlet: a process whose threads they replace cannot be recorded."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from splitcost import _native
from splitcost.gateways import patch


def hook(module: ModuleType) -> None:
    """Follow the functions that replace the standard library's."""
    library = module.__name__.partition(".")[0]

    def refuse(*_: Any, **__: Any) -> None:
        _native.switch_off(
            f"{library} has replaced the threads of this process: apps that run on {library} cannot be recorded"
        )

    names = ("patch_all", "patch_socket", "patch_thread") if library == "gevent" else ("monkey_patch",)
    for name in names:
        patch.before(module, name, refuse)
