"""Service objects: the names by which the other side finds them.

An object that lives at module level is there in every process of the app, and goes by its name: ``module:attribute``.
"""

from __future__ import annotations

import sys
import types
from typing import Any, NamedTuple

from splitcost import _places, codec
from splitcost.rehearsal.config import Config

MAX_SEARCHES = 4
"""Objects of a class that are searched for in vain before the search ends. Chosen: as in the recorder."""


class Named(NamedTuple):
    """An argument that goes by its name."""

    name: str
    value: Any


class UnknownName(LookupError):
    """This process has no object of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Names:
    """The names of objects that both sides have.

    One at module level is `module:attribute`; for others see :mod:`splitcost._places`.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        #: By the identity of objects, which are kept so that it stays theirs.
        self._known: dict[int, tuple[Any, str]] = {}
        #: By name, of which each has one object at a time.
        self._identities: dict[str, int] = {}
        self._searches: dict[type, int] = {}

    def find_name(self, value: Any) -> str | None:
        """Return the name of an object, if it has one; that of a bound method ends in the method's, as `/digest()`."""
        if type(value) is types.MethodType:
            owner = self.find_name(value.__self__)
            return None if owner is None else f"{owner}/{value.__name__}()"
        known = self._known.get(id(value))
        if known is not None:
            if _places.leads_to(known[1], value):
                return known[1]
            self._drop(known[1])  # Another object is there by now.
        kind = type(value)
        searches = self._searches.get(kind, 0)
        if searches >= MAX_SEARCHES:
            return None
        name = self._search(value)
        if name is None:
            self._searches[kind] = searches + 1
            return None
        self._drop(name)
        self._known[id(value)], self._identities[name] = (value, name), id(value)
        return name

    def _drop(self, name: str) -> None:
        identity = self._identities.pop(name, None)
        if identity is not None:
            self._known.pop(identity, None)

    def _search(self, value: Any) -> str | None:
        modules = [(n, m) for n, m in list(sys.modules.items()) if self._config.owner(n) is not None]
        for module_name, module in modules:
            for attribute, held in list(vars(module).items()):
                if held is value:
                    return f"{module_name}:{attribute}"
        return _places.find(value, modules)

    def find(self, name: str, kind: str | None = None) -> Any:
        """Return the object of that name. Raises :class:`UnknownName`, also if it is of another class than ``kind``."""
        module = name.partition("/")[0].partition(":")[0]
        if module != _places.APP and self._config.owner(module) is None:
            raise UnknownName(name)
        try:
            value = _places.resolve(name)
        except LookupError:
            raise UnknownName(name) from None
        if kind is not None and codec.name_of(type(value)) != kind:
            raise UnknownName(name)
        return value

    def forget(self, name: str) -> None:
        """Forget a name under which the other side has nothing. After a few, objects of the class have no names."""
        for value, known in list(self._known.values()):
            if name == known or name.startswith(f"{known}/"):
                self._searches[type(value)] = self._searches.get(type(value), 0) + 1
                self._drop(known)
