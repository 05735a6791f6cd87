"""Hooks on modules: a function runs on a module as soon as the app has imported it."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

__all__ = ["install"]

Hook = Callable[[ModuleType], None]


def install(hooks: dict[str, Hook]) -> None:
    """Run each hook on the module of its name: now if it is imported already, else right after."""
    waiting = {}
    for name, hook in hooks.items():
        if name in sys.modules:
            _run(hook, sys.modules[name])
        else:
            waiting[name] = hook
    sys.meta_path.insert(0, _Finder(waiting))


def _run(hook: Hook, module: ModuleType) -> None:
    try:
        hook(module)
    except Exception as error:
        print(f"splitcost: cannot follow {module.__name__}: {type(error).__name__}: {error}", file=sys.stderr)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds a hooked module as the other finders do, and has its loader run the hook as well."""

    def __init__(self, waiting: dict[str, Hook]) -> None:
        self.waiting = waiting

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's spec, where a hook waits for it."""
        hook = self.waiting.pop(name, None)
        if hook is None:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, hook)
                return spec
        return None


class _Loader(importlib.abc.Loader):
    """A loader that runs a hook after the other one is done, and otherwise is the other one."""

    def __init__(self, other: Any, hook: Hook) -> None:
        self._other = other
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        return getattr(self._other, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """As the other loader does."""
        create = getattr(self._other, "create_module", None)
        return create(spec) if create is not None else None

    def exec_module(self, module: ModuleType) -> None:
        """As the other loader does, then run the hook."""
        # Tools that look at a module's loader get to see the real one.
        module.__loader__ = self._other
        if module.__spec__ is not None:
            module.__spec__.loader = self._other
        self._other.exec_module(module)
        _run(self._hook, module)
