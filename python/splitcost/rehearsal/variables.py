"""The app's context variables and thread-local values: what its caller has set is there in the call of another service.

Those at module level go by their names, with values that can cross. The callee's changes of them do not go back.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from contextvars import ContextVar
from typing import Any

from splitcost import _places, codec
from splitcost.codec.kinds import is_allowed

_UNSET = object()

Variable = ContextVar[Any] | threading.local


class Variables:
    """The context variables and thread-local values of the app in this process."""

    def __init__(self, *, is_loopback: bool) -> None:
        #: A loopback has one thread for caller and callee.
        self._kinds = ContextVar if is_loopback else (ContextVar, threading.local)
        self._modules = 0
        self._found: list[tuple[str, Variable]] = []

    def _look(self) -> None:
        """Look for variables in modules that were imported since."""
        if len(sys.modules) == self._modules:
            return
        modules = list(sys.modules.items())
        self._modules = len(modules)
        own = ((name, _places.attributes(module)) for name, module in modules if is_allowed(name))
        named = ((f"{name}:{key}", held) for name, items in own for key, held in list(items.items()))
        # Under one name each, wherever it is imported to.
        found = {id(held): (name, held) for name, held in named if issubclass(type(held), self._kinds)}
        self._found = list(found.values())

    def take(self, exchange: codec.Foreign) -> dict[str, Any] | None:
        """Return what is set here and can cross, by name."""
        self._look()
        taken = {}
        for name, variable in self._found:
            if isinstance(variable, ContextVar):
                value = variable.get(_UNSET)
            else:
                value = dict(variable.__dict__) or _UNSET
            if value is not _UNSET:
                with contextlib.suppress(codec.CannotCross):
                    codec.encode(value, exchange)
                    taken[name] = value
        return taken or None

    def set(self, taken: dict[str, Any], *, on_thread: bool = True) -> contextlib.ExitStack:
        """Set what a caller has set, in this context and on this thread. What is returned sets them back at its end.

        Tasks share their thread: its values are left alone where a call is one of them.
        """
        undo = contextlib.ExitStack()
        for name, value in taken.items():
            try:
                variable = _places.resolve(name)
            except LookupError:  # Its module is not imported here.
                continue
            if isinstance(variable, ContextVar):
                undo.callback(variable.reset, variable.set(value))
            elif on_thread and isinstance(variable, threading.local) and isinstance(value, dict):
                held = variable.__dict__
                undo.callback(_restore, held, dict(held))
                _restore(held, value)
        return undo


def _restore(held: dict[str, Any], values: dict[str, Any]) -> None:
    held.clear()
    held.update(values)
