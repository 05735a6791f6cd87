"""From values to messages."""

from __future__ import annotations

import array
import base64
import collections
import dataclasses
import datetime
import enum
import fractions
import inspect
import ipaddress
import math
import pathlib
import re
import sqlite3
import sys
import types
import uuid
import zoneinfo
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import orjson

from splitcost.codec import rows
from splitcost.codec.kinds import (
    EASY,
    MADE,
    SECRETS,
    CannotCross,
    Foreign,
    Obstacle,
    base_of,
    is_allowed,
    is_data,
    is_derived,
    is_found,
    is_model,
    is_plain_of_library,
    name_of,
    slots_of,
)


class Active(set[int]):
    """Containers that are being encoded, by identity, and the types that need no look at each value."""

    untagged: frozenset[type] = frozenset({type(None), bool, int, str})

    def __init__(self, foreign: Foreign | None = None, within: Iterable[int] = ()) -> None:
        super().__init__(within)
        self.foreign = foreign
        #: The rows around the value that is being encoded, by identity, the outermost first.
        self.rows: list[int] = list(within.rows) if isinstance(within, Active) else []


class Careful(Active):
    """The second try: some integer is over 64 bits, or some string has a lone surrogate."""

    untagged = frozenset({type(None), bool})


Tagger = Callable[[Any, Active], Any]


_PLAIN = EASY | {float, list, dict}
_STR_ONLY = {str}
_MAX_DEPTH = 200  # Chosen: orjson gives up at 254 levels.
_MAX_LEVEL = (
    1_000_000  # Chosen: so wide is only a list that holds itself twice; the other way finds that out.
)
_OPTIONS = (
    orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
)


def encode(value: Any, foreign: Foreign | None = None) -> bytes:
    """Encode a value so that :func:`decode` gives an equal one of the same types.

    ``foreign`` encodes what is no data. Raises :class:`CannotCross` with the path of the first value that cannot.
    """
    if (foreign is None or foreign.is_idle) and _is_plain(value):
        try:
            return b"p" + orjson.dumps(value, option=_OPTIONS)
        except TypeError:
            pass  # A key that is no string, an integer over 64 bits or a lone surrogate: these need a tag.
    try:
        tagged = _tag(value, Active(foreign))
        try:
            return b"t" + orjson.dumps(tagged, option=_OPTIONS)
        except TypeError:
            return b"t" + orjson.dumps(_tag(value, Careful(foreign)), option=_OPTIONS)
    except CannotCross:
        raise
    except (RecursionError, TypeError) as error:
        raise CannotCross("", Obstacle.DEEP, type(value).__name__) from error


def _is_plain(value: Any) -> bool:
    """Return if orjson alone encodes all of it, keys apart. Level by level: most of the work is done in C."""
    kind = type(value)
    if kind is not list and kind is not dict:
        return kind in EASY or (kind is float and math.isfinite(value))
    level = [value]
    for _ in range(_MAX_DEPTH):
        children: list[Any] = []
        for container in level:
            children += container if type(container) is list else container.values()
        kinds = set(map(type, children))
        if kinds <= EASY:
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
    foreign = active.foreign
    if foreign is not None and (tagged := foreign.tag(value)) is not None:
        return tagged
    try:
        tagger = _taggers.get(kind) or _tagger_of(kind, value)
    except CannotCross as error:
        if foreign is None or (tagged := foreign.tag_live(value, error.reason)) is None:
            raise
        return tagged
    return tagger(value, active)


def _refuse(value: Any) -> CannotCross:
    kind = type(value)
    is_iterator = hasattr(kind, "__next__") or hasattr(kind, "__anext__")
    is_more = hasattr(kind, "fileno") or hasattr(kind, "__getitem__")  # A file, or the proxy of anything.
    if (is_iterator and not is_more) or inspect.iscoroutine(value):
        reason = Obstacle.GENERATOR
    # A connection to a database can be called, and is no function.
    elif callable(value) and not hasattr(kind, "cursor"):
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
        # Another thread may change a dictionary of the app meanwhile.
        for name, value in list(fields.items()):
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
    keys = list(value)
    names = not keys or (
        set(map(type, keys)) == _STR_ONLY and (all(map(str.isascii, keys)) or all(map(_utf8, keys)))
    )
    if names and not (len(keys) == 1 and keys[0].startswith("$")):
        out = _tag_fields(value, active)
    else:
        out = {"$m": _pairs(value, active)}
    active.discard(id(value))
    return out


def _pairs(value: dict[Any, Any], active: Active) -> list[list[Any]]:
    try:
        return [[_tag(key, active), _tag(item, active)] for key, item in list(value.items())]
    except CannotCross as error:
        error.within("[*]")
        raise


def _sequence(tag: str) -> Tagger:
    def tagger(value: Any, active: Active) -> Any:
        _enter(value, active)
        out = {tag: _tag_items(list(value), active)}
        active.discard(id(value))
        return out

    return tagger


def _b64(data: bytes | bytearray) -> str:
    return base64.b64encode(data).decode("ascii")


def _tag_datetime(value: datetime.datetime, active: Active) -> Any:
    return {"$T": _instant(value, active)}


def _tag_time(value: datetime.time, active: Active) -> Any:
    return {"$h": _instant(value, active)}


def _instant(value: Any, active: Active) -> Any:
    zone = value.tzinfo
    if type(zone) is datetime.timezone and len(zone.__getinitargs__()) == 2:  # type: ignore[attr-defined]
        return [value.replace(tzinfo=None).isoformat(), _offset(zone), value.fold]
    if zone is None or type(zone) is datetime.timezone:
        return [value.isoformat(), None, 1] if value.fold else value.isoformat()
    if type(zone) is zoneinfo.ZoneInfo and zone.key:
        return [value.replace(tzinfo=None).isoformat(), zone.key, value.fold]
    return [value.replace(tzinfo=None).isoformat(), _tag(zone, active), value.fold]


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
        fields = _tag_fields(state_of(value), active)
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
        return None if error is None else _tag(error, type(active)(active.foreign, active))
    except CannotCross:
        return None


TYPING_FIELD = "__orig_class__"
"""The field that `Counter[int]()` and its like leave in an object for type checkers."""


def state_of(value: Any) -> dict[str, Any]:
    """The fields of an object, whatever its class makes of attribute access."""
    try:
        state: dict[str, Any] = dict(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        state = {}
    for name in slots_of(type(value)):
        try:
            state[name] = object.__getattribute__(value, name)
        except AttributeError:  # Nothing was put there.
            pass
    state.pop(TYPING_FIELD, None)
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
    if factory is not None and not (isinstance(factory, type) and is_found(factory)):
        raise _refuse(factory)
    _enter(value, active)
    out = {"$F": [None if factory is None else name_of(factory), _pairs(value, active)]}
    active.discard(id(value))
    return out


def _tag_view(word: str) -> Tagger:
    """A view of a dictionary goes as what it shows."""
    return lambda value, active: {"$V": [word, _tag_items(list(value), active)]}


def _tag_database_row(value: sqlite3.Row, active: Active) -> Any:
    return {"$L": [value.keys(), _tag_items(tuple(value), active)]}


def _tag_namespace(value: types.SimpleNamespace, active: Active) -> Any:
    _enter(value, active)
    out = {"$N": _tag_fields(vars(value), active)}
    active.discard(id(value))
    return out


def _tag_class(value: type, _active: Active) -> Any:
    """A class goes by its name."""
    if not is_found(value):
        raise _refuse(value)
    return {"$C": name_of(value)}


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
    type({}.keys()): _tag_view("keys"),
    type({}.values()): _tag_view("values"),
    type({}.items()): _tag_view("items"),
    sqlite3.Row: _tag_database_row,
    types.SimpleNamespace: _tag_namespace,
}


def _made_tagger(_kind: type, name: str) -> Tagger:
    parts = MADE[name]

    def tagger(value: Any, active: Active) -> Any:
        _enter(value, active)
        out = {"$U": [name, _tag_items(parts(value), active)]}
        active.discard(id(value))
        return out

    return tagger


_taggers[types.MappingProxyType] = _made_tagger(types.MappingProxyType, "types:MappingProxyType")


def _tagger_of(kind: type, value: Any) -> Tagger:
    """Find out how to encode values of a type met for the first time, and keep the answer."""
    name = name_of(kind)
    make: Callable[[type, str], Tagger] | None = None
    try:
        mapper = rows.mapper_of(kind)
    except Exception as error:  # Its classes do not fit together.
        raise _refuse(value) from error
    if mapper is not None:
        _taggers[kind] = tagger = _row_tagger(kind, mapper)
        return tagger
    if (standing := _tagger_of_what_stands_in(kind)) is not None:
        _taggers[kind] = standing
        return standing
    if issubclass(kind, enum.Enum):
        make = _enum_tagger
    elif is_model(kind):
        make = _model_tagger
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
    elif name in SECRETS:
        make = lambda _kind, name: (  # noqa: E731
            lambda value, active: {"$K": [name, _tag(value.get_secret_value(), active)]}
        )
    elif kind.__module__ == "numpy":
        make = _numpy_tagger(kind)
    elif name in MADE:
        make = _made_tagger
    elif is_derived(kind):
        make = _derived_tagger
    elif base_of(kind) is object and (is_allowed(kind.__module__) or is_plain_of_library(kind)):
        make = _object_tagger
    if make is None or (make is _object_tagger and not is_data(kind)):
        raise _refuse(value)
    if not _is_generic_model(kind) and not is_found(kind):
        raise _refuse(value)
    _taggers[kind] = tagger = make(kind, name)
    return tagger


def _tagger_of_what_stands_in(kind: Any) -> Tagger | None:
    """The tagger of values that arrive as what they stand for: collections of rows, lazy values, rows of a result."""
    module, bases = kind.__module__, {name_of(base) for base in kind.__mro__}
    if module == "sqlalchemy.orm.collections":
        base: Any = base_of(kind)
        plain = _taggers.get(base)
        return None if plain is None else lambda value, active: plain(base(value), active)
    if "sqlalchemy.engine.row:Row" in bases:
        return lambda value, active: {"$Y": ["row", list(value._fields), _tag_items(tuple(value), active)]}
    if "sqlalchemy.engine.row:RowMapping" in bases:
        return lambda value, active: {"$Y": ["mapping", list(value), _tag_items(value.values(), active)]}
    if _is_lazy(kind):
        return _tag_lazy_object
    if "django.utils.functional:Promise" in bases:
        return _tag_lazy_text
    if "flask_babel.speaklater:LazyString" in bases:
        return lambda value, active: _tag_str(str(value), active)
    return None


def _tag_lazy_object(value: Any, active: Active) -> Any:
    """An object that is made when it is wanted, as the user of a request of Django's, is wanted now."""
    try:
        return _tag(made_object(value), active)
    except CannotCross:
        raise
    except Exception as error:  # Whatever making it raises.
        raise CannotCross("", Obstacle.LIVE, name_of(type(value)).replace(":", ".")) from error


def made_object(value: Any) -> Any:
    """Return what a lazy object of Django's stands for, or else the value. Raises whatever making it raises."""
    while _is_lazy(type(value)):
        held = object.__getattribute__(value, "__dict__")
        if held.get("_wrapped") is None or type(held["_wrapped"]) is object:
            value._setup()
        value = held["_wrapped"]
    return value


_lazy: dict[type, bool] = {}


def _is_lazy(kind: type) -> bool:
    known = _lazy.get(kind)
    if known is None:
        known = any(name_of(base) == "django.utils.functional:LazyObject" for base in kind.__mro__)
        _lazy[kind] = known
    return known


def _tag_lazy_text(value: Any, active: Active) -> Any:
    """Text that is made when it is wanted goes as the text of now."""
    _, (_, _, _, *kinds) = value.__reduce__()
    if kinds != [str]:
        raise CannotCross("", Obstacle.LIVE, name_of(type(value)).replace(":", "."))
    return _tag_str(str(value), active)


def _numpy_tagger(kind: Any) -> Callable[[type, str], Tagger] | None:
    numpy = sys.modules["numpy"]
    if kind is numpy.ndarray:
        return lambda _kind, _name: _tag_array
    return (lambda _kind, _name: _tag_scalar) if issubclass(kind, numpy.generic) else None


def _object_tagger(_kind: type, name: str) -> Tagger:
    def tagger(value: Any, active: Active) -> Any:
        _enter(value, active)
        out = {"$o": [name, _tag_fields(state_of(value), active)]}
        active.discard(id(value))
        return out

    return tagger


#: The value of a built-in type in an object of a class that derives from it, whatever that overrides.
_PLAIN_VALUES: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    datetime.datetime: lambda value: datetime.datetime(
        *(part.__get__(value) for part in _DATE + _TIME), fold=datetime.datetime.fold.__get__(value)
    ),
    datetime.date: lambda value: datetime.date(*(part.__get__(value) for part in _DATE)),
    datetime.time: lambda value: datetime.time(
        *(getattr(datetime.time, part.__name__).__get__(value) for part in _TIME),
        fold=datetime.time.fold.__get__(value),
    ),
    datetime.timedelta: lambda value: datetime.timedelta(
        *(getattr(datetime.timedelta, part).__get__(value) for part in ("days", "seconds", "microseconds"))
    ),
}
_DATE: tuple[Any, ...] = (datetime.date.year, datetime.date.month, datetime.date.day)
_TIME: tuple[Any, ...] = tuple(
    getattr(datetime.datetime, name) for name in ("hour", "minute", "second", "microsecond", "tzinfo")
)


def _derived_tagger(kind: type, name: str) -> Tagger:
    """An object of a class that derives from a built-in one: what that one holds, and the object's own fields."""
    base: Any = base_of(kind)
    plain = _PLAIN_VALUES.get(base, base)

    def tagger(value: Any, active: Active) -> Any:
        _enter(value, active)
        held: Any
        if base is dict or base is OrderedDict:
            held = [[_tag(key, active), _tag(item, active)] for key, item in list(base.items(value))]
        elif base in (list, tuple, set, frozenset):
            held = _tag_items(list(base.__iter__(value)), active)
        else:
            held = _tag(plain(value), active)
        fields = state_of(value)
        fields.pop("_parents", None)  # The rows that a mutable column of SQLAlchemy is of.
        out = {"$B": [name, held, _tag_fields(fields, active)] if fields else [name, held]}
        active.discard(id(value))
        return out

    return tagger


def _enum_tagger(_kind: type, name: str) -> Tagger:
    def tagger(value: Any, active: Active) -> Any:
        member = value.name
        known = member is not None and member in type(value).__members__
        return {"$e": [name, member] if known else [name, None, _tag(value.value, active)]}

    return tagger


def _dataclass_tagger(kind: Any, name: str) -> Tagger:
    if base_of(kind) is not object:
        return _derived_tagger(kind, name)
    names = [field.name for field in dataclasses.fields(kind)]
    known = frozenset(names)
    slots = frozenset(slots_of(kind))

    def tagger(value: Any, active: Active) -> Any:
        _enter(value, active)
        # In the order of declaration, so that equal values have equal bytes; a field may not be set yet.
        state = state_of(value) if slots else object.__getattribute__(value, "__dict__")
        content = [name, _tag_fields({field: state[field] for field in names if field in state}, active)]
        if not known.issuperset(
            state
        ):  # A cached property, an attribute that was added later, a base's slot.
            more = {
                field: held
                for field, held in list(state.items())
                if field not in known and field != TYPING_FIELD
            }
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
    return is_model(kind) and bool(kind.__pydantic_generic_metadata__["args"])


def _generic_name(kind: Any) -> Any:
    """The name of a generic model and those of its parameters."""
    if not _is_generic_model(kind):
        if not (isinstance(kind, type) and is_found(kind)):
            raise CannotCross("", Obstacle.LIVE, repr(kind))
        return name_of(kind)
    metadata = kind.__pydantic_generic_metadata__
    return [name_of(metadata["origin"]), *map(_generic_name, metadata["args"])]


def _row_tagger(kind: type, mapper: rows.Mapper) -> Tagger:
    """A row goes as its columns and the relations that are loaded. One that is around goes as its place."""
    if not rows.is_known(kind):  # As those of migrations.
        raise CannotCross("", Obstacle.LIVE, name_of(kind).replace(":", "."))
    name = rows.row_name(kind)

    def tagger(value: Any, active: Active) -> Any:
        if id(value) in active.rows:
            return {"$W": active.rows.index(id(value))}
        try:
            columns, own, origin = mapper.take(value)
        except Exception as error:  # An expired row whose session is gone, or wants to be awaited.
            raise CannotCross("", Obstacle.LIVE, name_of(kind).replace(":", ".")) from error
        active.rows.append(id(value))
        loaded = columns | rows.sent_relations(value, mapper, active.rows)
        content = [name, _tag_fields(loaded, active), origin, _tag_fields(own, active)]
        active.rows.pop()
        return {"$w": content}

    return tagger
