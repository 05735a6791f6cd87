"""click and typer: each command with a callback of the app's own is a request.

A command that only runs what takes requests, a server say, is left out.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from splitcost._guard import attempt
from splitcost.gateways import patch
from splitcost.gateways.handler import function_id
from splitcost.gateways.request import run_job


def hook(module: ModuleType) -> None:
    """Follow the commands that are invoked."""
    name = module.__name__.partition(".")[0]
    patch.around(module.Command, "invoke", functools.partial(invoke, name))


def invoke(library: str, original: Any, command: Any, context: Any) -> Any:
    """Invoke a command."""
    callback = command.callback
    if callback is None or attempt(function_id, callback) is None:
        return original(command, context)
    name = attempt(name_of, context) or "a command"
    return run_job(library, name, lambda: callback, lambda: original(command, context), is_command=True)


def name_of(context: Any) -> str:
    """Return the names of the commands that lead to this one."""
    names = []
    while context is not None:
        names.append(context.command.name or "command")
        context = context.parent
    return " ".join(reversed(names))
