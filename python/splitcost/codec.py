"""The encoding of everything that goes between services: JSON by orjson, with tags for other types.

Read :func:`encode` and :func:`decode`, then :class:`CannotCross`, which names the place of a value that
cannot cross.

The first byte says how to read the rest: ``p`` is plain JSON (no tag inside, so decoding is orjson alone),
``t`` is JSON in which an object with the single key ``$x`` stands for a value of another type. Nothing is
unpickled or evaluated. A type is named ``module:qualname`` and only looked up: in modules that are loaded
already, or in the packages given to :func:`allow_package`. It must be a dataclass, a pydantic model, an enum,
a named tuple or an exception, or a class of such a package whose objects are fields or derive from a built-in
type. Its objects are rebuilt without calling their ``__init__``.

It does not keep identity: one list that is passed twice arrives as two. Changes of arguments do not go back;
the rehearsal watches for them.
"""

from __future__ import annotations

import array
import base64
import collections
import dataclasses
import datetime
import enum
import fractions
import functools
import importlib
import inspect
import ipaddress
import math
import pathlib
import re
import sys
import types
import uuid
import zoneinfo
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

try:
    import orjson
except ImportError as error:  # pragma: no cover - depends on the environment
    raise ImportError(
        "splitcost needs orjson to encode calls between services: pip install orjson"
    ) from error

__all__ = [
    "CannotCross",
    "DecodeError",
    "Obstacle",
    "allow_package",
    "decode",
    "encode",
    "name_of",
    "resolve",
]


class Obstacle(enum.StrEnum):
    """Why a value cannot go to another process."""

    LIVE = "live resource"
    CALLBACK = "callback"
    GENERATOR = "generator"
    CYCLIC = "cyclic data"
    DEEP = "nested too deeply"
    MUTATED = "mutated argument"

    @property
    def phrase(self) -> str:
        """The reason as the rest of a sentence about the value."""
        match self:
            case Obstacle.MUTATED:
                return "is changed in place by the callee"
            case Obstacle.CYCLIC | Obstacle.DEEP:
                return f"is {self}"
            case _:
                return f"is a {self}"


class Active(set[int]):
    """Containers that are being encoded, by identity, and the types that need no look at each value."""

    untagged: frozenset[type] = frozenset({type(None), bool, int, str})


class Careful(Active):
    """The second try: some integer is over 64 bits, or some string has a lone surrogate."""

    untagged = frozenset({type(None), bool})


Tagger = Callable[[Any, Active], Any]


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


class DecodeError(ValueError):
    """Bytes that are not a message of this encoding, or that name a type which may not be rebuilt."""


# --- types by name
# -------------------------------------------------------------------------------------------------

_packages: set[str] = set()
_resolved: dict[str, type] = {}


def allow_package(name: str) -> None:
    """Let modules of this package be imported when a message names one of their types."""
    _packages.add(name)


def _is_allowed(module: str) -> bool:
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
    if module is None and _is_allowed(module_name):
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


# --- encoding
# ------------------------------------------------------------------------------------------------------

_EASY = frozenset({type(None), bool, int, str})
_PLAIN = _EASY | {float, list, dict}
_STR_ONLY = {str}
_MAX_DEPTH = 200  # Chosen: orjson gives up at 254 levels.
_MAX_LEVEL = (
    1_000_000  # Chosen: so wide is only a list that holds itself twice; the other way finds that out.
)
_OPTIONS = (
    orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
)


def encode(value: Any) -> bytes:
    """Encode a value so that :func:`decode` gives an equal one of the same types.

    Raises :class:`CannotCross` with the path of the first value that cannot.
    """
    if _is_plain(value):
        try:
            return b"p" + orjson.dumps(value, option=_OPTIONS)
        except TypeError:
            pass  # A key that is no string, an integer over 64 bits or a lone surrogate: these need a tag.
    try:
        tagged = _tag(value, Active())
        try:
            return b"t" + orjson.dumps(tagged, option=_OPTIONS)
        except TypeError:
            return b"t" + orjson.dumps(_tag(value, Careful()), option=_OPTIONS)
    except CannotCross:
        raise
    except (RecursionError, TypeError) as error:
        raise CannotCross("", Obstacle.DEEP, type(value).__name__) from error


def _is_plain(value: Any) -> bool:
    """Return if orjson alone encodes all of it, keys apart. Level by level: most of the work is done in C."""
    kind = type(value)
    if kind is not list and kind is not dict:
        return kind in _EASY or (kind is float and math.isfinite(value))
    level = [value]
    for _ in range(_MAX_DEPTH):
        children: list[Any] = []
        for container in level:
            children += container if type(container) is list else container.values()
        kinds = set(map(type, children))
        if kinds <= _EASY:
            return True
        if not kinds <= _PLAIN or len(children) > _MAX_LEVEL:
            return False
        if float in kinds and not all(map(math.isfinite, [c for c in children if type(c) is float])):
            return False
        if list not in kinds and dict not in kinds:
            return True
        level = [c for c in children if type(c) is dict or type(c) is list]
    return False


def _tag(value: Any, active: Active) -> Any:
    kind = type(value)
    return (_taggers.get(kind) or _tagger_of(kind, value))(value, active)


def _refuse(value: Any) -> CannotCross:
    kind = type(value)
    if hasattr(kind, "__next__") or hasattr(kind, "__anext__") or inspect.iscoroutine(value):
        reason = Obstacle.GENERATOR
    elif callable(value):
        reason = Obstacle.CALLBACK
    else:
        reason = Obstacle.LIVE
    return CannotCross("", reason, f"{kind.__module__}.{kind.__qualname__}")


def _enter(value: Any, active: Active) -> None:
    if id(value) in active:
        raise CannotCross("", Obstacle.CYCLIC, type(value).__name__)
    active.add(id(value))


def _tag_items(values: Iterable[Any], active: Active) -> list[Any]:
    out: list[Any] = []
    untagged = active.untagged
    try:
        for value in values:
            out.append(value if type(value) in untagged else _tag(value, active))
    except CannotCross as error:
        error.within(f"[{len(out)}]")
        raise
    return out


def _tag_fields(fields: dict[str, Any], active: Active) -> dict[str, Any]:
    out: dict[str, Any] = {}
    untagged = active.untagged
    name = ""
    try:
        for name, value in fields.items():
            out[name] = value if type(value) in untagged else _tag(value, active)
    except CannotCross as error:
        # A key that is no identifier is data, and data stays out of messages.
        error.within(f".{name}" if name.isidentifier() and len(fields) <= 32 else "[*]")
        raise
    return out


def _utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _tag_str(value: str, _active: Active) -> Any:
    return value if _utf8(value) else {"$S": _b64(value.encode("utf-8", "surrogatepass"))}


def _tag_int(value: int, _active: Active) -> Any:
    return value if -0x8000000000000000 <= value <= 0xFFFFFFFFFFFFFFFF else {"$i": hex(value)}


def _tag_float(value: float, _active: Active) -> Any:
    return value if math.isfinite(value) else {"$f": repr(value)}


def _tag_list(value: list[Any], active: Active) -> Any:
    _enter(value, active)
    out = _tag_items(value, active)
    active.discard(id(value))
    return out


def _tag_dict(value: dict[Any, Any], active: Active) -> Any:
    _enter(value, active)
    out: Any
    names = not value or (
        set(map(type, value)) == _STR_ONLY and (all(map(str.isascii, value)) or all(map(_utf8, value)))
    )
    if names and not (len(value) == 1 and next(iter(value)).startswith("$")):
        out = _tag_fields(value, active)
    else:
        out = {"$m": _pairs(value, active)}
    active.discard(id(value))
    return out


def _pairs(value: dict[Any, Any], active: Active) -> list[list[Any]]:
    try:
        return [[_tag(key, active), _tag(item, active)] for key, item in value.items()]
    except CannotCross as error:
        error.within("[*]")
        raise


def _sequence(tag: str) -> Tagger:
    def tagger(value: Any, active: Active) -> Any:
        _enter(value, active)
        out = {tag: _tag_items(value, active)}
        active.discard(id(value))
        return out

    return tagger


def _b64(data: bytes | bytearray) -> str:
    return base64.b64encode(data).decode("ascii")


def _tag_datetime(value: datetime.datetime, _active: Active) -> Any:
    return {"$T": _instant(value)}


def _tag_time(value: datetime.time, _active: Active) -> Any:
    return {"$h": _instant(value)}


def _instant(value: Any) -> Any:
    zone = value.tzinfo
    if type(zone) is datetime.timezone and len(zone.__getinitargs__()) == 2:  # type: ignore[attr-defined]
        return [value.replace(tzinfo=None).isoformat(), _offset(zone), value.fold]
    if zone is None or type(zone) is datetime.timezone:
        return [value.isoformat(), None, 1] if value.fold else value.isoformat()
    if type(zone) is zoneinfo.ZoneInfo and zone.key:
        return [value.replace(tzinfo=None).isoformat(), zone.key, value.fold]
    raise _refuse(zone)


def _offset(zone: datetime.timezone) -> list[Any]:
    """The offset of a time zone, and its name where it has one of its own."""
    offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
    return [offset.days, offset.seconds, offset.microseconds, *name]


def _tag_exception(value: BaseException, active: Active) -> Any:
    _enter(value, active)
    try:
        args = value.args
        if isinstance(value, OSError) and len(args) == 2 and value.filename is not None:
            args += (value.filename, None, value.filename2)  # Where OSError puts what it was made with.
        fields = _tag_fields(_state(value), active)
        content: list[Any] = [name_of(type(value)), _tag_items(args, active), fields]
    except CannotCross as error:
        error.within(".args" if error.path.startswith("[") else "")
        raise
    cause, context = _tag_other(value.__cause__, active), _tag_other(value.__context__, active)
    if cause is not None or context is not None or value.__suppress_context__:
        content.append([cause, context, value.__suppress_context__])
    active.discard(id(value))
    return {"$x": content}


def _tag_other(error: BaseException | None, active: Active) -> Any:
    """The exception behind another one, as long as it can cross: nobody's `except` asks for it."""
    try:
        return None if error is None else _tag(error, type(active)(active))
    except CannotCross:
        return None


_slots: dict[type, tuple[str, ...]] = {}


def _slots_of(kind: type) -> tuple[str, ...]:
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


def _state(value: Any) -> dict[str, Any]:
    """The fields of an object, whatever its class makes of attribute access."""
    try:
        state: dict[str, Any] = dict(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        state = {}
    for name in _slots_of(type(value)):
        try:
            state[name] = object.__getattribute__(value, name)
        except AttributeError:  # Nothing was put there.
            pass
    return state


def _tag_array(value: Any, _active: Active) -> Any:
    """An array of numpy: its type, shape and order, and its bytes."""
    if value.dtype.kind not in "biufcSUMm" or value.dtype.fields is not None:
        raise _refuse(value)
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    return {"$a": [value.dtype.str, list(value.shape), order, _b64(value.tobytes(order))]}


def _tag_scalar(value: Any, _active: Active) -> Any:
    """A scalar of numpy."""
    if value.dtype.kind not in "biufcSUMm":
        raise _refuse(value)
    return {"$c": [value.dtype.str, _b64(value.tobytes())]}


def _tag_default(value: collections.defaultdict[Any, Any], active: Active) -> Any:
    factory = value.default_factory
    if factory is not None and not (isinstance(factory, type) and _is_found(factory)):
        raise _refuse(factory)
    _enter(value, active)
    out = {"$F": [None if factory is None else name_of(factory), _pairs(value, active)]}
    active.discard(id(value))
    return out


def _tag_class(value: type, _active: Active) -> Any:
    """A class goes by its name."""
    if not _is_found(value):
        raise _refuse(value)
    return {"$C": name_of(value)}


def _is_found(kind: type) -> bool:
    """Return if the other side finds a class by its name: not one that was made inside a function."""
    try:
        return resolve(name_of(kind)) is kind
    except DecodeError:
        return False


_taggers: dict[type, Tagger] = {
    type(None): lambda value, active: value,
    bool: lambda value, active: value,
    str: _tag_str,
    int: _tag_int,
    float: _tag_float,
    list: _tag_list,
    dict: _tag_dict,
    tuple: _sequence("$t"),
    set: _sequence("$s"),
    frozenset: _sequence("$z"),
    deque: lambda value, active: {"$q": [value.maxlen, _tag_list(list(value), active)]},
    OrderedDict: lambda value, active: {"$r": _pairs(value, active)},
    bytes: lambda value, active: {"$b": _b64(value)},
    bytearray: lambda value, active: {"$y": _b64(value)},
    complex: lambda value, active: {"$j": [repr(value.real), repr(value.imag)]},
    Decimal: lambda value, active: {"$D": str(value)},
    datetime.datetime: _tag_datetime,
    datetime.date: lambda value, active: {"$A": value.isoformat()},
    datetime.time: _tag_time,
    datetime.timedelta: lambda value, active: {"$l": [value.days, value.seconds, value.microseconds]},
    uuid.UUID: lambda value, active: {"$u": value.hex},
    pathlib.PosixPath: lambda value, active: {"$P": str(value)},
    pathlib.PurePosixPath: lambda value, active: {"$Q": str(value)},
    fractions.Fraction: lambda value, active: {"$R": [hex(value.numerator), hex(value.denominator)]},
    datetime.timezone: lambda value, active: {"$O": _offset(value)},
    type(...): lambda value, active: {"$E": None},
    range: lambda value, active: {
        "$g": [_tag(part, active) for part in (value.start, value.stop, value.step)]
    },
    slice: lambda value, active: {
        "$G": [_tag(part, active) for part in (value.start, value.stop, value.step)]
    },
    re.Pattern: lambda value, active: {"$k": [_tag(value.pattern, active), value.flags]},
    ipaddress.IPv4Address: lambda value, active: {"$I": str(value)},
    ipaddress.IPv6Address: lambda value, active: {"$I": str(value)},
    array.array: lambda value, active: {"$v": [value.typecode, _b64(value.tobytes())]},
    collections.defaultdict: _tag_default,
}


def _tagger_of(kind: type, value: Any) -> Tagger:
    """Find out how to encode values of a type met for the first time, and keep the answer."""
    name = name_of(kind)
    make: Callable[[type, str], Tagger] | None = None
    if issubclass(kind, enum.Enum):
        make = _enum_tagger
    elif _is_model(kind):
        make = _table_tagger if hasattr(kind, "__table__") else _model_tagger
    elif dataclasses.is_dataclass(kind):
        make = _dataclass_tagger
    elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
        make = _namedtuple_tagger
    elif issubclass(kind, Exception | SystemExit):
        make = lambda _kind, _name: _tag_exception  # noqa: E731
    elif issubclass(kind, type):
        make = lambda _kind, _name: _tag_class  # noqa: E731
    elif kind is zoneinfo.ZoneInfo and value.key:
        make = lambda _kind, _name: lambda value, _active: {"$Z": value.key}  # noqa: E731
    elif name in _SECRETS:
        make = lambda _kind, name: (  # noqa: E731
            lambda value, active: {"$K": [name, _tag(value.get_secret_value(), active)]}
        )
    elif kind.__module__ == "numpy":
        make = _numpy_tagger(kind)
    elif _is_allowed(kind.__module__) or name in _DERIVED:
        make = _object_tagger if _base_of(kind) is object else _derived_tagger
    if make is None or (make is _object_tagger and not _is_data(kind)):
        raise _refuse(value)
    if not _is_generic_model(kind) and not _is_found(kind):
        raise _refuse(value)
    _taggers[kind] = tagger = make(kind, name)
    return tagger


_SECRETS = ("pydantic.types:SecretStr", "pydantic.types:SecretBytes")
_DERIVED = ("collections:Counter",)
_BASES = (str, int, float, bytes, list, dict, tuple, set, frozenset)


def _base_of(kind: type) -> type:
    """The built-in type that a class derives from; `object` where it is one of fields."""
    return next((base for base in kind.__mro__ if base in _BASES), object)


def _is_data(kind: type) -> bool:
    """Return if objects of a class without a built-in base are the fields that they have: no part of them is in C."""
    is_iterator = hasattr(kind, "__next__") or hasattr(kind, "__anext__")
    bases = (base for base in kind.__mro__ if base is not object)
    return not is_iterator and all(_is_allowed(b.__module__) or b.__module__ in _BARE for b in bases)


_BARE = ("typing", "abc", "collections.abc")
"""Modules of classes that have no fields of their own."""


def _numpy_tagger(kind: Any) -> Callable[[type, str], Tagger] | None:
    numpy = sys.modules["numpy"]
    if kind is numpy.ndarray:
        return lambda _kind, _name: _tag_array
    return (lambda _kind, _name: _tag_scalar) if issubclass(kind, numpy.generic) else None


def _object_tagger(_kind: type, name: str) -> Tagger:
    def tagger(value: Any, active: Active) -> Any:
        _enter(value, active)
        out = {"$o": [name, _tag_fields(_state(value), active)]}
        active.discard(id(value))
        return out

    return tagger


#: The value of a built-in type in an object of a class that derives from it, whatever that overrides.
_PLAIN_VALUES: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
}


def _derived_tagger(kind: type, name: str) -> Tagger:
    """An object of a class that derives from a built-in one: what that one holds, and the object's own fields."""
    base: Any = _base_of(kind)
    plain = _PLAIN_VALUES.get(base, base)

    def tagger(value: Any, active: Active) -> Any:
        _enter(value, active)
        held: Any
        if base is dict:
            held = [[_tag(key, active), _tag(item, active)] for key, item in dict.items(value)]
        elif base in (list, tuple, set, frozenset):
            held = _tag_items(list(base.__iter__(value)), active)
        else:
            held = _tag(plain(value), active)
        fields = _state(value)
        out = {"$B": [name, held, _tag_fields(fields, active)] if fields else [name, held]}
        active.discard(id(value))
        return out

    return tagger


def _is_model(kind: type) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


def _enum_tagger(_kind: type, name: str) -> Tagger:
    def tagger(value: Any, active: Active) -> Any:
        member = value.name
        known = member is not None and member in type(value).__members__
        return {"$e": [name, member] if known else [name, None, _tag(value.value, active)]}

    return tagger


def _dataclass_tagger(kind: Any, name: str) -> Tagger:
    if _base_of(kind) is not object:
        return _derived_tagger(kind, name)
    names = [field.name for field in dataclasses.fields(kind)]
    known = frozenset(names)
    slots = frozenset(_slots_of(kind))

    def tagger(value: Any, active: Active) -> Any:
        _enter(value, active)
        # In the order of declaration, so that equal values have equal bytes; a field may not be set yet.
        state = _state(value) if slots else object.__getattribute__(value, "__dict__")
        content = [name, _tag_fields({field: state[field] for field in names if field in state}, active)]
        if not known.issuperset(
            state
        ):  # A cached property, an attribute that was added later, a base's slot.
            more = {field: held for field, held in state.items() if field not in known}
            content.append(_tag_fields(more, active))
        active.discard(id(value))
        return {"$d": content}

    return tagger


def _namedtuple_tagger(_kind: type, name: str) -> Tagger:
    def tagger(value: Any, active: Active) -> Any:
        return {"$n": [name, _tag_fields(value._asdict(), active)]}

    return tagger


def _model_tagger(kind: Any, name: str) -> Tagger:
    names = list(
        kind.__pydantic_fields__
    )  # In the order of declaration, so that equal values have equal bytes.
    every = set(names)
    name = _generic_name(kind) if _is_generic_model(kind) else name

    def tagger(value: Any, active: Active) -> Any:
        _enter(value, active)
        held = value.__dict__
        fields = _tag_fields({field: held[field] for field in names if field in held}, active)
        given = value.__pydantic_fields_set__
        out: list[Any] = [name, fields, None if given == every else sorted(given)]
        extra, private = value.__pydantic_extra__, value.__pydantic_private__
        if extra or private:
            out += [_tag_fields(extra or {}, active), _tag_fields(private or {}, active)]
        active.discard(id(value))
        return {"$p": out}

    return tagger


def _is_generic_model(kind: Any) -> bool:
    """Return if a class is a generic pydantic model with parameters, which the other side may not have made yet."""
    return _is_model(kind) and bool(kind.__pydantic_generic_metadata__["args"])


def _generic_name(kind: Any) -> Any:
    """The name of a generic model and those of its parameters."""
    if not _is_generic_model(kind):
        if not (isinstance(kind, type) and _is_found(kind)):
            raise CannotCross("", Obstacle.LIVE, repr(kind))
        return name_of(kind)
    metadata = kind.__pydantic_generic_metadata__
    return [name_of(metadata["origin"]), *map(_generic_name, metadata["args"])]


def _table_tagger(kind: Any, name: str) -> Tagger:
    """A row of a SQLModel table goes as its columns and arrives detached; relations do not go along."""
    names = list(kind.__pydantic_fields__)

    def tagger(value: Any, active: Active) -> Any:
        state = value._sa_instance_state
        try:
            fields = {field: getattr(value, field) for field in names}
        except Exception as error:  # An expired row whose session is gone, or wants to be awaited.
            raise CannotCross("", Obstacle.LIVE, name.replace(":", ".")) from error
        return {"$w": [name, _tag_fields(fields, active), state.key is not None]}

    return tagger


# --- decoding
# ------------------------------------------------------------------------------------------------------


def decode(data: bytes | memoryview) -> Any:
    """The value that :func:`encode` was given. Raises :class:`DecodeError` for anything else."""
    view = memoryview(data)
    kind = bytes(view[:1])
    try:
        value = orjson.loads(view[1:])
        if kind == b"p":
            return value
        if kind == b"t":
            return _untag(value)
    except DecodeError:
        raise
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        ArithmeticError,
        AttributeError,
        RecursionError,
    ) as error:
        raise DecodeError(f"malformed message: {error}") from error
    raise DecodeError("malformed message: it begins with neither p nor t")


def _untag(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        if len(value) == 1:
            ((tag, content),) = value.items()
            if tag.startswith("$"):
                untagger = _untaggers.get(tag)
                if untagger is None:
                    raise DecodeError(f"unknown tag {tag}")
                return untagger(content)
        return _un_fields(value)
    if kind is list:
        return [item if type(item) in _LEAF else _untag(item) for item in value]
    return value


_LEAF = _EASY | {float}


def _dict(content: Any) -> dict[Any, Any]:
    return {_untag(key): _untag(item) for key, item in content}


def _class(name: str, *bases: type) -> Any:
    cls = resolve(name)
    if bases and not issubclass(cls, bases):
        raise DecodeError(f"{name} is not of the kind its tag says")
    return cls


def _un_instant(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    def untagger(content: Any) -> Any:
        if type(content) is str:
            return parse(content)
        text, zone, fold = content
        value = parse(text).replace(fold=fold)
        if zone is None:
            return value
        return value.replace(tzinfo=zoneinfo.ZoneInfo(zone) if type(zone) is str else _un_offset(zone))

    return untagger


def _un_enum(content: Any) -> Any:
    cls = _class(content[0], enum.Enum)
    if content[1] is not None:
        return cls.__members__[content[1]]
    if not issubclass(cls, enum.Flag):
        raise DecodeError(f"{content[0]} has no such member")
    return cls(_untag(content[2]))


@functools.cache
def _dataclass_of(name: str) -> tuple[Any, frozenset[str], bool]:
    """The class, its fields, and whether its instances keep them all in ``__dict__``."""
    cls: Any = _class(name)
    if not dataclasses.is_dataclass(cls):
        raise DecodeError(f"{name} is not a dataclass")
    slots = any("__slots__" in vars(ancestor) for ancestor in inspect.getmro(resolve(name))[:-1])
    return cls, frozenset(field.name for field in dataclasses.fields(cls)), not slots


def _un_dataclass(content: Any) -> Any:
    cls, known, has_dict = _dataclass_of(content[0])
    fields = _un_fields(content[1])
    if not known.issuperset(fields):
        raise DecodeError(f"{content[0]} has not all of the fields {', '.join(fields)}")
    value = object.__new__(cls)
    if len(content) > 2:
        fields |= _un_fields(content[2])
    if has_dict:
        object.__getattribute__(value, "__dict__").update(fields)
    else:
        _set_state(value, fields)
    return value


def _set_state(value: Any, state: dict[str, Any]) -> None:
    """Give an object its fields, whatever its class makes of attribute access."""
    slots = _slots_of(type(value))
    for name, item in state.items():
        if name in slots:
            object.__setattr__(value, name, item)
        else:
            object.__getattribute__(value, "__dict__")[name] = item


def _un_object(content: Any) -> Any:
    cls = _class(content[0])
    if not _is_allowed(cls.__module__) or _base_of(cls) is not object or not _is_data(cls):
        raise DecodeError(f"{content[0]} is not a class of fields")
    value = object.__new__(cls)
    _set_state(value, _un_fields(content[1]))
    return value


def _un_derived(content: Any) -> Any:
    cls = _class(content[0])
    base: Any = _base_of(cls)
    if not (_is_allowed(cls.__module__) or content[0] in _DERIVED) or base is object:
        raise DecodeError(f"{content[0]} does not derive from a built-in type")
    value: Any
    if base is dict:
        value = dict.__new__(cls)
        dict.update(value, _dict(content[1]))
    elif base in (list, set):
        value = base.__new__(cls)
        (list.extend if base is list else set.update)(value, map(_untag, content[1]))
    elif base in (tuple, frozenset):
        value = base.__new__(cls, map(_untag, content[1]))
    else:
        value = base.__new__(cls, _untag(content[1]))
    if len(content) > 2:
        _set_state(value, _un_fields(content[2]))
    return value


def _un_default(content: Any) -> Any:
    factory = None if content[0] is None else resolve(content[0])
    return collections.defaultdict(factory, _dict(content[1]))


def _un_offset(content: Any) -> datetime.timezone:
    days, seconds, microseconds, *name = content
    if not (days or seconds or microseconds or name):
        return datetime.UTC
    return datetime.timezone(datetime.timedelta(days, seconds, microseconds), *name)


def _un_array(content: Any) -> Any:
    import numpy

    dtype, shape, order, data = content
    return numpy.frombuffer(bytearray(base64.b64decode(data)), dtype).reshape(shape, order=order)


def _un_scalar(content: Any) -> Any:
    import numpy

    return numpy.frombuffer(base64.b64decode(content[1]), content[0])[0]


def _un_secret(content: Any) -> Any:
    if content[0] not in _SECRETS:
        raise DecodeError(f"{content[0]} is no secret")
    return _class(content[0])(_untag(content[1]))


def _un_fields(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: item if type(item) in _LEAF else _untag(item) for name, item in fields.items()}


def _un_namedtuple(content: Any) -> Any:
    cls = _class(content[0], tuple)
    return tuple.__new__(cls, [_untag(content[1][name]) for name in cls._fields])


def _model_of(name: Any) -> tuple[Any, frozenset[str]]:
    if type(name) is list:
        cls = _generic(name)
        return cls, frozenset(cls.__pydantic_fields__)
    return _plain_model_of(name)


def _generic(name: Any) -> Any:
    """The model that :func:`_generic_name` describes, made if need be."""
    if type(name) is str:
        return resolve(name)
    origin = _class(name[0])
    if not _is_model(origin):
        raise DecodeError(f"{name[0]} is not a pydantic model")
    parameters = tuple(map(_generic, name[1:]))
    return origin[parameters if len(parameters) > 1 else parameters[0]]


@functools.cache
def _plain_model_of(name: str) -> tuple[Any, frozenset[str]]:
    cls = _class(name)
    if not _is_model(cls):
        raise DecodeError(f"{name} is not a pydantic model")
    return cls, frozenset(cls.__pydantic_fields__)


def _model_fields(content: Any) -> tuple[Any, dict[str, Any]]:
    cls, known = _model_of(content[0])
    fields = _un_fields(content[1])
    if not known.issuperset(fields):
        raise DecodeError(f"{content[0]} has not all of the fields {', '.join(fields)}")
    return cls, fields


def _un_model(content: Any) -> Any:
    cls, fields = _model_fields(content)
    given = set(fields) if content[2] is None else set(content[2])
    value = object.__new__(cls)
    extra, private = (_un_fields(content[3]), _un_fields(content[4])) if len(content) > 3 else ({}, {})
    object.__setattr__(value, "__dict__", fields)
    object.__setattr__(value, "__pydantic_fields_set__", given)
    object.__setattr__(
        value, "__pydantic_extra__", extra if cls.model_config.get("extra") == "allow" else None
    )
    object.__setattr__(value, "__pydantic_private__", private if cls.__private_attributes__ else None)
    return value


def _un_table(content: Any) -> Any:
    cls, fields = _model_fields(content)
    if not hasattr(cls, "__table__"):
        raise DecodeError(f"{content[0]} is not a table")
    from sqlalchemy.orm import attributes, instrumentation, make_transient_to_detached

    value = instrumentation.manager_of_class(cls).new_instance()
    for name, item in fields.items():
        attributes.set_committed_value(value, name, item)
    object.__setattr__(value, "__pydantic_fields_set__", set(fields))
    if content[2]:
        make_transient_to_detached(value)
    return value


def _un_exception(content: Any) -> Any:
    cls = _class(content[0], Exception, SystemExit)
    args = [_untag(item) for item in content[1]]
    # The nearest built-in ancestor fills the C part of the object; the class's own __init__ is not called.
    base = next(ancestor for ancestor in cls.__mro__ if ancestor.__module__ == "builtins")
    value = base.__new__(cls, *args)
    base.__init__(value, *args)
    if not (isinstance(value, OSError) and len(args) >= 2):
        value.args = tuple(args)
    _set_state(value, _un_fields(content[2]))
    if len(content) > 3:
        cause, context, suppress = content[3]
        value.__cause__, value.__context__ = _untag(cause), _untag(context)
        value.__suppress_context__ = suppress
    return value


_untaggers: dict[str, Callable[[Any], Any]] = {
    "$S": lambda content: base64.b64decode(content).decode("utf-8", "surrogatepass"),
    "$i": lambda content: int(content, 16),
    "$f": float,
    "$m": _dict,
    "$t": lambda content: tuple(map(_untag, content)),
    "$s": lambda content: set(map(_untag, content)),
    "$z": lambda content: frozenset(map(_untag, content)),
    "$q": lambda content: deque(_untag(content[1]), content[0]),
    "$r": lambda content: OrderedDict(_dict(content)),
    "$b": base64.b64decode,
    "$y": lambda content: bytearray(base64.b64decode(content)),
    "$j": lambda content: complex(float(content[0]), float(content[1])),
    "$D": Decimal,
    "$T": _un_instant(datetime.datetime.fromisoformat),
    "$A": datetime.date.fromisoformat,
    "$h": _un_instant(datetime.time.fromisoformat),
    "$l": lambda content: datetime.timedelta(*content),
    "$u": lambda content: uuid.UUID(hex=content),
    "$P": pathlib.PosixPath,
    "$Q": pathlib.PurePosixPath,
    "$e": _un_enum,
    "$d": _un_dataclass,
    "$n": _un_namedtuple,
    "$p": _un_model,
    "$w": _un_table,
    "$x": _un_exception,
    "$o": _un_object,
    "$B": _un_derived,
    "$F": _un_default,
    "$R": lambda content: fractions.Fraction(int(content[0], 16), int(content[1], 16)),
    "$Z": zoneinfo.ZoneInfo,
    "$O": _un_offset,
    "$E": lambda content: ...,
    "$g": lambda content: range(*map(_untag, content)),
    "$G": lambda content: slice(*map(_untag, content)),
    "$k": lambda content: re.compile(_untag(content[0]), content[1] & ~re.DEBUG),
    "$v": lambda content: array.array(content[0], base64.b64decode(content[1])),
    "$I": ipaddress.ip_address,
    "$C": resolve,
    "$a": _un_array,
    "$c": _un_scalar,
    "$K": _un_secret,
}
