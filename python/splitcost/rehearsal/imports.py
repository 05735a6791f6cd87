"""The import hook: modules that live in another service are loaded from their real source behind a facade.

``sys.modules`` holds the :class:`Facade`; the real module exists beside it and is what its own code runs in.
Looking a function up through the facade gives a stub, anything else (classes, constants, a router) gives the
real thing. So a caller in this service crosses, and code of the other service that happens to run here (its
start-up, a class's method, a function kept local) calls its own functions directly, as it would at home.

All modules of one foreign service form one unit. Import statements inside a unit see real modules: its code
is executed with a private ``__builtins__`` whose ``__import__`` unwraps facades, so nobody else pays for it.
One case is not covered: if code of a unit calls ``importlib.import_module`` for a module of its own unit, it
gets the facade.
"""

from __future__ import annotations

import builtins
import functools
import importlib.machinery
import inspect
import sys
import types
import typing
from collections.abc import Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any, Protocol

from splitcost.rehearsal.config import Config
from splitcost.rehearsal.functions import LRU_CACHED, Found, is_dispatcher, remote_functions


class StubMaker(Protocol):
    """Makes the stubs in place of functions and methods of another service."""

    def make_stub(self, real: Any, module: str, name: str) -> Any:
        """Make the stub of a function, given the module and the name by which the other side finds it."""

    def replace(self, found: Found, module: str) -> None:
        """Make a function of a module its own stub."""


_raw_dict: Any = vars(types.ModuleType)["__dict__"].__get__
_FUNCTIONS = (types.FunctionType, LRU_CACHED)


class Unit:
    """All modules of one foreign service as this process sees them."""

    def __init__(self, service: str, config: Config, stubs: StubMaker) -> None:
        self.service = service
        self._config = config
        self._maker = stubs
        self._stubs: dict[Any, Any] = {}
        self.builtins = {**vars(builtins), "__import__": self._import}

    def owns(self, module: str) -> bool:
        """Return if this unit owns the module."""
        return self._config.owner(module) == self.service

    def outside(self, value: Any, module: str, name: str) -> Any:
        """The attribute ``name`` of a module of this unit as code of another service sees it."""
        if not isinstance(value, _FUNCTIONS) or (self._config.functions and is_dispatcher(value)):
            return value
        stub = self._stubs.get(value)
        if stub is None:
            if "<" not in value.__qualname__:  # Else a decorator made it, or a factory: it is who holds it.
                module, name = getattr(value, "__module__", None) or "", value.__qualname__
                home = sys.modules.get(module)
                if type(home) is not Facade or not self.owns(module) or vars(home).get(name) is not value:
                    return value  # Another service's, or nobody could find it by its name on the other side.
            stub = self._stubs[value] = self._maker.make_stub(value, module, name)
        return stub

    def gives_real_things_to(self, frame: types.FrameType) -> bool:
        """Return if code is of no service in a loopback: tests patch and compare the functions themselves."""
        if not self._config.is_loopback:
            return False
        name = frame.f_globals.get("__name__", "")
        return name != "__main__" and self._config.owner(name) is None

    def replace_functions(self, module: types.ModuleType, loader: Any) -> None:
        """Replace the functions of a module that are called remotely, whoever holds them."""
        name = module.__name__
        code = loader.get_code(name) if self._config.functions and hasattr(loader, "get_code") else None
        for found in remote_functions(module, code, lambda qualname: self._config.is_remote(name, qualname)):
            self._maker.replace(found, name)

    def _import(
        self,
        name: str,
        globals: dict[str, Any] | None = None,
        locals: dict[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """``__import__`` for code of this unit."""
        module = self.inside(builtins.__import__(name, globals, locals, fromlist or (), level))
        if fromlist:
            self._complete(module, fromlist)
        else:
            parent = module
            for part in name.split(".")[1:]:
                self._complete(parent, (part,))
                parent = getattr(parent, part, None)
        return module

    def _complete(self, package: Any, names: Iterable[str]) -> None:
        """Give a package of this unit its real submodules, also while they are still being imported."""
        if type(package) is types.ModuleType and self.owns(package.__name__):
            for name in names:
                child = sys.modules.get(f"{package.__name__}.{name}")
                if type(child) is Facade and child.__splitcost_unit__ is self:
                    vars(package).setdefault(name, child.__splitcost_real__)

    def inside(self, module: Any) -> Any:
        """A module as code of this unit sees it."""
        if type(module) is Facade and module.__splitcost_unit__ is self:
            return module.__splitcost_real__
        if type(module) is not View and self._has_part(module.__name__) and not self.owns(module.__name__):
            return View(module, self)
        return module

    def _has_part(self, name: str) -> bool:
        """Return if the unit owns a module below this one, which it does not own itself."""
        claims = self._config.claims
        return any(service == self.service and claimed.startswith(name + ".") for claimed, service in claims)


class Facade(types.ModuleType):
    """The stand-in for a module of another service, which ``sys.modules`` holds."""

    __splitcost_real__: types.ModuleType
    __splitcost_unit__: Unit

    def __init__(self, real: types.ModuleType, unit: Unit) -> None:
        super().__init__(real.__name__)
        own = _raw_dict(self)
        own.clear()
        own["__splitcost_real__"] = real
        own["__splitcost_unit__"] = unit

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        return self.__splitcost_real__.__dict__

    def __getattr__(self, name: str) -> Any:
        real, unit = self.__splitcost_real__, self.__splitcost_unit__
        value = getattr(real, name)
        if unit.gives_real_things_to(sys._getframe(1)):
            return value
        return unit.outside(value, real.__name__, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if type(value) is Facade and value.__splitcost_unit__ is self.__splitcost_unit__:
            _raw_dict(self)[name] = value
            value = value.__splitcost_real__
        setattr(self.__splitcost_real__, name, value)

    def __delattr__(self, name: str) -> None:
        _raw_dict(self).pop(name, None)
        delattr(self.__splitcost_real__, name)

    def __dir__(self) -> list[str]:
        return dir(self.__splitcost_real__)


def _let_facades_be_inspected() -> None:
    """Let :func:`inspect.getattr_static` find the attributes of a facade, which has none itself; pluggy asks it."""
    found = inspect.getattr_static
    if hasattr(found, "__wrapped__"):
        return

    @functools.wraps(found)
    def getattr_static(obj: Any, *args: Any, **kwargs: Any) -> Any:
        return found(obj.__splitcost_real__ if type(obj) is Facade else obj, *args, **kwargs)

    inspect.getattr_static = getattr_static
    # `isinstance` with a protocol keeps the function that it found first.
    kept = getattr(typing, "_lazy_load_getattr_static", None)
    if kept is not None:
        kept.cache_clear()


class View(types.ModuleType):
    """A package outside a unit, seen from inside it: the unit's own modules below are the real ones."""

    def __init__(self, package: types.ModuleType, unit: Unit) -> None:
        super().__init__(package.__name__)
        own = _raw_dict(self)
        own.clear()
        own["__splitcost_package__"] = package
        own["__splitcost_unit__"] = unit

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        found: dict[str, Any] = vars(_raw_dict(self)["__splitcost_package__"])
        return found

    def __getattr__(self, name: str) -> Any:
        own = _raw_dict(self)
        package, unit = own["__splitcost_package__"], own["__splitcost_unit__"]
        child = sys.modules.get(f"{package.__name__}.{name}")
        value = child if child is not None and name not in vars(package) else getattr(package, name)
        return unit.inside(value) if isinstance(value, types.ModuleType) else value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_raw_dict(self)["__splitcost_package__"], name, value)


class _FacadeLoader(Loader):
    def __init__(self, real: Any, unit: Unit) -> None:
        self._real = real
        self._unit = unit

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        module = self._real.create_module(spec) or types.ModuleType(spec.name)
        module.__dict__["__builtins__"] = self._unit.builtins
        return Facade(module, self._unit)

    def exec_module(self, module: types.ModuleType) -> None:
        assert type(module) is Facade
        self._real.exec_module(module.__splitcost_real__)
        self._unit.replace_functions(module.__splitcost_real__, self._real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)  # get_source for tracebacks, resources for importlib.resources


class Finder(MetaPathFinder):
    """First on ``sys.meta_path``: puts facades before foreign modules."""

    def __init__(self, config: Config, stubs: StubMaker) -> None:
        self._config = config
        self._maker = stubs
        self._units: dict[str, Unit] = {}

    def install(self) -> None:
        """Begin."""
        sys.meta_path.insert(0, self)
        _let_facades_be_inspected()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec the other finders give, with our loader around theirs."""
        owner = self._config.owner(fullname)
        if owner is None or owner == self._config.service:
            return None
        spec = self._find_elsewhere(fullname, path, target)
        if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
            return spec
        if not isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
            unit = self._units.get(owner)
            if unit is None:
                unit = self._units[owner] = Unit(owner, self._config, self._maker)
            spec.loader = _FacadeLoader(spec.loader, unit)
        return spec

    def _find_elsewhere(self, fullname: str, path: Any, target: Any) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is not self:
                spec = finder.find_spec(fullname, path, target)
                if spec is not None:
                    return spec
        return None
