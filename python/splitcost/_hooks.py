"""Hooks on modules: a function runs on a module as soon as the app has imported it."""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import inspect
import sys
from collections.abc import Awaitable, Callable, Sequence
from types import ModuleType
from typing import Any

__all__ = ["awaited", "install"]

Hook = Callable[[ModuleType], None]
#: Runs a hook's function on its arguments, and lets nothing escape.
Guard = Callable[..., Any]


def install(hooks: dict[str, Hook], guard: Guard | None = None) -> None:
    """Run each hook on the module of its name: now if it is imported already, else right after.

    A name that begins with a dot stands for every module whose last part it is: libraries of one file are often
    copied into the app's own package.

    ``guard`` runs each step that is not the app's; by default a step that fails is reported on stderr.
    """
    guard = guard or _report
    finder = _Finder(dict(hooks), guard)
    for name, module in list(sys.modules.items()):
        finder.run(module, name)
    sys.meta_path.insert(0, finder)


def awaited(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return a coroutine function, as libraries recognize them, that returns what ``function`` returns."""
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)

    @functools.wraps(function)
    async def coroutine(*arguments: Any, **options: Any) -> Any:
        return await function(*arguments, **options)

    return coroutine


def _report(step: Callable[..., Any], /, *args: Any) -> Any:
    try:
        return step(*args)
    except Exception as error:
        name = getattr(args[0], "__name__", "a module") if args else "a module"
        print(f"splitcost: cannot follow {name}: {type(error).__name__}: {error}", file=sys.stderr)
        return None


class _Finder(importlib.abc.MetaPathFinder):
    """Finds a hooked module as the other finders do, and has its loader run the hook as well."""

    def __init__(self, waiting: dict[str, Hook], guard: Guard) -> None:
        self._waiting = waiting
        self._guard = guard
        #: Modules that are being looked for: another finder may ask every finder in turn.
        self._looking: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the module's spec, where a hook waits for it."""
        if self._key(name) not in self._waiting or name in self._looking:
            return None
        self._looking.add(name)
        try:
            for finder in list(sys.meta_path):
                if finder is self or not hasattr(finder, "find_spec"):
                    continue
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    self._guard(self._wrap, spec)
                    return spec
        finally:
            self._looking.discard(name)
        return None

    def _key(self, name: str) -> str:
        """Return the name under which a hook may wait for a module."""
        return name if name in self._waiting else "." + name.rpartition(".")[2]

    def _wrap(self, spec: importlib.machinery.ModuleSpec) -> None:
        # A loader of the old kind (`load_module`) cannot be followed.
        if hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader, self)

    def run(self, module: ModuleType, name: str) -> None:
        """Run the module's hook, once."""
        key = self._key(name)
        # Each copy of a library is a module of its own.
        hook = self._waiting.get(key) if key.startswith(".") else self._waiting.pop(key, None)
        if hook is not None:
            self._guard(hook, module)


class _Loader(importlib.abc.Loader):
    """A loader that runs a hook after the other one is done, and otherwise is the other one."""

    def __init__(self, other: Any, finder: _Finder) -> None:
        self._other = other
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._other, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Create the module as the other loader does."""
        create = getattr(self._other, "create_module", None)
        module: ModuleType | None = create(spec) if create is not None else None
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run the module as the other loader does, then run the hook."""
        name = module.__spec__.name if module.__spec__ is not None else module.__name__
        # Tools that look at a module's loader get to see the real one.
        module.__loader__ = self._other
        if module.__spec__ is not None:
            module.__spec__.loader = self._other
        self._other.exec_module(module)
        self._finder.run(module, name)
