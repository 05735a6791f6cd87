"""The runtime of a rehearsed service: the whole app's code, of which this process serves only some modules.

:func:`start` is called by the bootstrap before the app's first import. It puts an import hook in place
(:mod:`splitcost.rehearsal.imports`) that hands out stubs for functions of other services, and hooks uvicorn
so that this service's own functions can be called (:mod:`splitcost.rehearsal.server`). What a stub does is in
:mod:`splitcost.rehearsal.runtime`.

The rules, in short. Only calls that are made for a request cross; each process does its own start-up and
background work. Calls inside one service never cross, nor do calls into a copied module. A generator function
runs in the caller and is listed. A class is local wherever it is used. A call whose arguments cannot cross
runs in the caller and is listed. If a result cannot cross, that call raises :class:`CannotCross`, and later
calls of the function run in the caller. A plain function that is called on the thread of a running event loop
blocks that loop, as it would in a real split.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

__all__ = [
    "CannotCross",
    "DeadlineExceeded",
    "MessageTooLarge",
    "ObjectGone",
    "ReentrantCall",
    "RehearsalError",
    "RemoteError",
    "ServiceRefused",
    "ServiceUnavailable",
    "UnreadableAnswer",
    "start",
]


if TYPE_CHECKING:
    from splitcost.rehearsal.errors import (
        CannotCross,
        DeadlineExceeded,
        MessageTooLarge,
        ObjectGone,
        ReentrantCall,
        RehearsalError,
        RemoteError,
        ServiceRefused,
        ServiceUnavailable,
        UnreadableAnswer,
    )


def __getattr__(name: str) -> Any:
    # Late, so that `start` can report a missing package.
    if name in __all__:
        return getattr(importlib.import_module("splitcost.rehearsal.errors"), name)
    raise AttributeError(name)


def start(config: Any = None) -> Any:
    """Make this process a service of the rehearsal that the environment (or ``config``) describes.

    Returns the :class:`~splitcost.rehearsal.runtime.Runtime`. A package that is missing or a description that
    cannot be used raises an exception if ``config`` is given. If the environment describes the rehearsal, the
    process ends with status 2 and a message instead: an app without its stubs would measure nothing.
    """
    if config is not None:
        return _start(config)
    try:
        from splitcost.rehearsal.config import Config

        return _start(Config.from_environment())
    except (ImportError, ValueError, OSError, KeyError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "orjson":
            error = ImportError("messages need a package that is not installed: pip install orjson")
        print(f"splitcost: the rehearsal cannot start: {error}", file=sys.stderr, flush=True)
        os._exit(2)


def _start(config: Any) -> Any:
    from splitcost import stacks

    if not config.is_loopback:
        stacks.require(config.stack)
    stacks.CONNECTIONS = config.policy.connections or stacks.CONNECTIONS
    from splitcost.rehearsal import hooks
    from splitcost.rehearsal.imports import Finder
    from splitcost.rehearsal.runtime import Runtime

    runtime = Runtime(config)
    hooks.install(runtime)
    Finder(config, runtime).install()
    return runtime
