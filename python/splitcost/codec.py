"""The encoding of everything that goes between services: JSON by orjson, with tags for other types.

Read :func:`encode` and :func:`decode`, then :class:`CannotCross`, which names the place of a value that
cannot cross.

The first byte says how to read the rest: ``p`` is plain JSON (no tag inside, so decoding is orjson alone),
``t`` is JSON in which an object with the single key ``$x`` stands for a value of another type. Nothing is
unpickled or evaluated. A type is named ``module:qualname`` and only looked up: in modules that are loaded
already, or in the packages given to :func:`allow_package`; it must be a dataclass, a pydantic model, an enum,
a named tuple or an exception, and is rebuilt without calling its ``__init__``.

It does not keep identity: one list that is passed twice arrives as two. Changes of arguments do not go back;
the rehearsal watches for them.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import enum
import functools
import importlib
import inspect
import math
import pathlib
import sys
import types
import uuid
import zoneinfo
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
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
    if module is None and any(module_name == p or module_name.startswith(p + ".") for p in _packages):
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
    if zone is None or type(zone) is datetime.timezone:
        return [value.isoformat(), None, 1] if value.fold else value.isoformat()
    if type(zone) is zoneinfo.ZoneInfo and zone.key:
        return [value.replace(tzinfo=None).isoformat(), zone.key, value.fold]
    raise _refuse(zone)


def _tag_exception(value: BaseException, active: Active) -> Any:
    _enter(value, active)
    try:
        args = value.args
        if isinstance(value, OSError) and len(args) == 2 and value.filename is not None:
            args += (value.filename, None, value.filename2)  # Where OSError puts what it was made with.
        out = {"$x": [name_of(type(value)), _tag_items(args, active), _tag_fields(vars(value), active)]}
    except CannotCross as error:
        error.within(".args" if error.path.startswith("[") else "")
        raise
    active.discard(id(value))
    return out


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
    if make is None:
        raise _refuse(value)
    try:
        same = resolve(name) is kind
    except DecodeError:
        same = False
    if not same:  # A class made inside a function: the other side cannot find it.
        raise _refuse(value)
    _taggers[kind] = tagger = make(kind, name)
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
    names = [field.name for field in dataclasses.fields(kind)]

    def tagger(value: Any, active: Active) -> Any:
        _enter(value, active)
        try:
            fields = {field: getattr(value, field) for field in names}
        except AttributeError:  # A field without default that nothing has set yet.
            fields = {field: getattr(value, field) for field in names if hasattr(value, field)}
        out = {"$d": [name, _tag_fields(fields, active)]}
        active.discard(id(value))
        return out

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
        return value.replace(tzinfo=zoneinfo.ZoneInfo(zone)) if zone else value

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
    if has_dict:
        value.__dict__.update(fields)
    else:
        for name, item in fields.items():
            object.__setattr__(value, name, item)
    return value


def _un_fields(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: item if type(item) in _LEAF else _untag(item) for name, item in fields.items()}


def _un_namedtuple(content: Any) -> Any:
    cls = _class(content[0], tuple)
    return tuple.__new__(cls, [_untag(content[1][name]) for name in cls._fields])


@functools.cache
def _model_of(name: str) -> tuple[Any, frozenset[str]]:
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
    value.__dict__.update(_un_fields(content[2]))
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
}
