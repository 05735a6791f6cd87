"""The types that messages name, and the reasons why a value cannot be in one."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import importlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from splitcost import _native

try:
    import orjson  # noqa: F401  # for the other two files
except ImportError as error:  # pragma: no cover - depends on the environment
    raise ImportError(
        "splitcost needs orjson to encode calls between services: pip install orjson"
    ) from error


class Obstacle(enum.StrEnum):
    """Why a value cannot go to another process, or what is lost on the way."""

    LIVE = "live resource"
    CALLBACK = "callback"
    GENERATOR = "generator"
    CYCLIC = "cyclic data"
    DEEP = "nested too deeply"
    MUTATED = "mutated argument"
    UNCOMMITTED = "uncommitted writes"
    IDENTITY = "identity"
    EXCEPTION = "exception"
    STATE = "state"
    ROW = "row"

    @property
    def phrase(self) -> str:
        """The reason as the rest of a sentence about the value."""
        match self:
            case Obstacle.MUTATED:
                return "is changed in place by the callee"
            case Obstacle.UNCOMMITTED:
                return "needs writes that are not committed yet"
            case Obstacle.IDENTITY:
                return "is an object that the callee was given or returned before: the caller gets a copy"
            case Obstacle.EXCEPTION:
                return "is an exception that cannot be rebuilt in the caller"
            case Obstacle.STATE:
                return "was raised as a context variable of the caller's is not sent"
            case Obstacle.ROW:
                return "arrives without its session: relations that are not loaded cannot be"
            case Obstacle.CYCLIC | Obstacle.DEEP:
                return f"is {self}"
            case _:
                return f"is a {self}"


class CannotCross(TypeError):
    """A value that cannot go to another process: where it is, why, and of which type it is."""

    def __init__(self, path: str, reason: Obstacle, type_name: str) -> None:
        super().__init__(path, reason, type_name)
        self.path = path
        self.reason = reason
        self.type = type_name
        self.callee: str | None = None
        self.file: str | None = None
        self.line: int | None = None

    def within(self, segment: str) -> None:
        """Say that the path so far lies inside ``segment``."""
        self.path = segment + self.path

    def __str__(self) -> str:
        callee = f" in a call of {self.callee}" if self.callee else ""
        place = f" at {self.file}:{self.line}" if self.file else ""
        kind = f" ({self.type})" if self.type else ""
        return f"{self.path.lstrip('.')} cannot cross to another service{callee}{place}: {self.reason}{kind}"


class Foreign(Protocol):
    """Gives values that are no data a place in a message, as the two processes agree on it."""

    is_idle: bool
    """:meth:`tag` returns ``None`` for everything."""

    def tag(self, value: Any) -> Any:
        """Return what stands for a value in place of its encoding, or ``None``."""

    def tag_live(self, value: Any, reason: Obstacle) -> Any:
        """Return what stands for a value that has no encoding, or ``None``."""

    def adopt(self, row: Any) -> Any:
        """Return what a row of a database is for the receiver: the same, or its own one."""

    def untag(self, tag: str, content: Any) -> Any:
        """Return the value that something stands for. Raises :class:`DecodeError`."""


class DecodeError(ValueError):
    """Bytes that are not a message of this encoding, or that name a type which may not be rebuilt."""


_packages: set[str] = set()


_resolved: dict[str, type] = {}


def allow_package(name: str) -> None:
    """Let modules of this package be imported when a message names one of their types."""
    _packages.add(name)


def is_allowed(module: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in _packages)


def name_of(cls: type) -> str:
    """The name a type goes by in messages."""
    return f"{cls.__module__}:{cls.__qualname__}"


def resolve(name: str) -> type:
    """The class of that name, if it is loaded already or lies in an allowed package.

    Raises :class:`DecodeError` if there is no such class. No attribute hook runs: names are read from
    ``__dict__``.
    """
    known = _resolved.get(name)
    if known is not None:
        return known
    module_name, _, qualname = name.partition(":")
    module = sys.modules.get(module_name)
    if module is None and is_allowed(module_name):
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            raise DecodeError(f"no module {module_name} for the type {name}") from error
    if module is None:
        raise DecodeError(f"the type {name} is of a module that is not loaded here")
    found: Any = module
    parts = [qualname] if qualname in vars(module) else qualname.split(".")
    for part in parts:
        found = vars(found).get(part) if isinstance(found, type | types.ModuleType) else None
    if not isinstance(found, type):
        raise DecodeError(f"there is no class {name}")
    _resolved[name] = found
    return found


_slots: dict[type, tuple[str, ...]] = {}


def slots_of(kind: type) -> tuple[str, ...]:
    """The slots of a class and its bases, as attributes are called."""
    if kind not in _slots:
        _slots[kind] = tuple(_find_slots(kind))
    return _slots[kind]


def _find_slots(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        own = vars(base).get("__slots__", ())
        for name in (own,) if isinstance(own, str) else own:
            is_private = name.startswith("__") and not name.endswith("__")
            if name not in ("__dict__", "__weakref__"):
                yield f"_{base.__name__.lstrip('_')}{name}" if is_private else name


def is_found(kind: type) -> bool:
    """Return if the other side finds a class by its name: not one that was made inside a function."""
    try:
        return resolve(name_of(kind)) is kind
    except DecodeError:
        return False


SECRETS = ("pydantic.types:SecretStr", "pydantic.types:SecretBytes")


DERIVED = ("collections:Counter",)


_BASES = (
    str,
    int,
    float,
    bytes,
    list,
    collections.OrderedDict,
    dict,
    tuple,
    set,
    frozenset,
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
)


def base_of(kind: type) -> type:
    """The built-in type that a class derives from; `object` where it is one of fields."""
    return next((base for base in kind.__mro__ if base in _BASES), object)


def is_data(kind: type) -> bool:
    """Return if objects of a class without a built-in base are the fields that they have: no part of them is in C."""
    bases = (base for base in kind.__mro__ if base not in (object, datetime.tzinfo))
    return not _is_iterator(kind) and all(
        is_allowed(b.__module__) or b.__module__ in _BARE or is_plain_of_library(b) for b in bases
    )


def _is_iterator(kind: type) -> bool:
    return hasattr(kind, "__next__") or hasattr(kind, "__anext__")


_BARE = ("typing", "abc", "collections.abc")
"""Modules of classes that have no fields of their own."""


def is_plain_of_library(kind: type) -> bool:
    """Return if a library's class is one whose objects are known to be the fields that they have."""
    return _native.is_plain_of_library(kind.__module__, kind.__qualname__)


def is_derived(kind: type) -> bool:
    """Return if objects of a class are what a built-in type holds and fields of their own."""
    base = base_of(kind)
    if is_allowed(kind.__module__) or name_of(kind) in DERIVED:
        return base is not object
    known = {object, *base.__mro__}
    return (
        base is not object
        and not _is_iterator(kind)
        and all(b in known or b.__module__ in _BARE or not is_of_c(b) for b in kind.__mro__)
        and not any(name_of(b) in _SETTINGS for b in kind.__mro__)
    )


_SETTINGS = ("flask.config:Config",)
"""Classes whose objects only look like data."""


def is_of_c(kind: type) -> bool:
    """Return if a class is implemented in C."""
    return not kind.__flags__ & _HEAP_TYPE or bool(kind.__flags__ & _IMMUTABLE_TYPE)


_IMMUTABLE_TYPE, _HEAP_TYPE = 1 << 8, 1 << 9  # Spec: Py_TPFLAGS_IMMUTABLETYPE, Py_TPFLAGS_HEAPTYPE.


def _text(value: Any) -> list[Any]:
    return [str(value)]


def _items(value: Any) -> list[Any]:
    return [[[key, item] for key, item in value.items()]]


def _attributes(*names: str) -> Callable[[Any], list[Any]]:
    return lambda value: [getattr(value, name) for name in names]


MADE: dict[str, Callable[[Any], list[Any]]] = {
    "dateutil.tz.tz:tzlocal": _attributes(),
    "dateutil.tz.tz:tzoffset": _attributes("_name", "_offset"),
    "dateutil.tz.tz:tzutc": _attributes(),
    "babel.core:Locale": _attributes("language", "territory", "script", "variant", "modifier"),
    "multidict._multidict:CIMultiDict": _items,
    "multidict._multidict:MultiDict": _items,
    "multidict._multidict:CIMultiDictProxy": lambda value: [value.copy()],
    "multidict._multidict:MultiDictProxy": lambda value: [value.copy()],
    "multidict._multidict:istr": _text,
    "pendulum.tz.timezone:FixedTimezone": _attributes("_offset", "_name"),
    "pendulum.tz.timezone:Timezone": _attributes("key"),
    "pydantic.networks:AnyUrl": _text,
    "pydantic.networks:HttpUrl": _text,
    "pydantic_core._pydantic_core:TzInfo": lambda value: [value.utcoffset(None).total_seconds()],
    "types:MappingProxyType": lambda value: [dict(value)],
    "yarl:URL": _text,
}
"""Types of libraries whose constructor makes an equal value of these parts."""


def is_model(kind: type) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


EASY = frozenset({type(None), bool, int, str})
