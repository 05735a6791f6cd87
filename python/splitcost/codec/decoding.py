"""From messages to values."""

from __future__ import annotations

import array
import base64
import collections
import dataclasses
import datetime
import enum
import fractions
import functools
import inspect
import ipaddress
import pathlib
import re
import sqlite3
import types
import uuid
import zoneinfo
from collections import OrderedDict, deque
from collections.abc import Callable
from contextvars import ContextVar
from decimal import Decimal
from typing import Any

import orjson

from splitcost.codec import rows
from splitcost.codec.kinds import (
    EASY,
    MADE,
    SECRETS,
    DecodeError,
    Foreign,
    base_of,
    is_allowed,
    is_data,
    is_derived,
    is_model,
    is_plain_of_library,
    resolve,
    slots_of,
)

_foreign: ContextVar[Foreign | None] = ContextVar("splitcost_foreign", default=None)


def decode(data: bytes | memoryview, foreign: Foreign | None = None) -> Any:
    """The value that :func:`encode` was given. Raises :class:`DecodeError` for anything else."""
    view = memoryview(data)
    kind = bytes(view[:1])
    try:
        value = orjson.loads(view[1:])
        if kind == b"p":
            return value
        if kind == b"t":
            token = _foreign.set(foreign)
            try:
                return _untag(value)
            finally:
                _foreign.reset(token)
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
        ImportError,
        sqlite3.Error,
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
                if untagger is not None:
                    return untagger(content)
                foreign = _foreign.get()
                if foreign is None:
                    raise DecodeError(f"unknown tag {tag}")
                return foreign.untag(tag, content)
        return _un_fields(value)
    if kind is list:
        return [item if type(item) in _LEAF else _untag(item) for item in value]
    return value


_LEAF = EASY | {float}


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
        return value.replace(tzinfo=_un_zone(zone))

    return untagger


def _un_zone(content: Any) -> Any:
    if type(content) is str:
        return zoneinfo.ZoneInfo(content)
    return _un_offset(content) if type(content) is list else _untag(content)


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
        set_state(value, fields)
    return value


def set_state(value: Any, state: dict[str, Any]) -> None:
    """Give an object its fields, whatever its class makes of attribute access."""
    slots = slots_of(type(value))
    for name, item in state.items():
        if name in slots:
            object.__setattr__(value, name, item)
        else:
            object.__getattribute__(value, "__dict__")[name] = item


def _un_object(content: Any) -> Any:
    cls = _class(content[0])
    is_known = is_allowed(cls.__module__) or is_plain_of_library(cls)
    if not is_known or base_of(cls) is not object or not is_data(cls):
        raise DecodeError(f"{content[0]} is not a class of fields")
    value = (datetime.tzinfo if issubclass(cls, datetime.tzinfo) else object).__new__(cls)
    set_state(value, _un_fields(content[1]))
    return value


def _un_derived(content: Any) -> Any:
    cls = _class(content[0])
    base: Any = base_of(cls)
    if not is_derived(cls):
        raise DecodeError(f"{content[0]} does not derive from a built-in type")
    value: Any
    if base is dict or base is OrderedDict:
        value = base.__new__(cls)
        for key, item in content[1]:
            base.__setitem__(value, _untag(key), _untag(item))
    elif base in (list, set):
        value = base.__new__(cls)
        (list.extend if base is list else set.update)(value, map(_untag, content[1]))
    elif base in (tuple, frozenset):
        value = base.__new__(cls, map(_untag, content[1]))
    elif base in _PARTS:
        plain = _untag(content[1])
        fold = {"fold": plain.fold} if "fold" in _PARTS[base] else {}
        parts = (getattr(plain, part) for part in _PARTS[base] if part != "fold")
        value = base.__new__(cls, *parts, **fold)
    else:
        value = base.__new__(cls, _untag(content[1]))
    if len(content) > 2:
        set_state(value, _un_fields(content[2]))
    return value


_TIME = ("hour", "minute", "second", "microsecond", "tzinfo", "fold")
_PARTS: dict[type, tuple[str, ...]] = {
    datetime.datetime: ("year", "month", "day", *_TIME),
    datetime.date: ("year", "month", "day"),
    datetime.time: _TIME,
    datetime.timedelta: ("days", "seconds", "microseconds"),
}
"""The arguments with which the constructors of built-in types are called."""


def _un_made(content: Any) -> Any:
    name, parts = content
    if name not in MADE:
        raise DecodeError(f"{name} is not made by its constructor")
    given = [_untag(part) for part in parts]
    try:
        return _class(name)(*given)
    except DecodeError:
        raise
    except Exception as error:  # Each library has its own.
        raise DecodeError(f"{name} cannot be made: {error}") from error


def _un_view(content: Any) -> Any:
    word, parts = content[0], [_untag(part) for part in content[1]]
    match word:
        case "keys":
            return dict.fromkeys(parts).keys()
        case "values":
            return dict(enumerate(parts)).values()
        case "items":
            return dict(parts).items()
    raise DecodeError(f"a dictionary has no view {word}")


def _un_database_row(content: Any) -> Any:
    names, values = content
    return sqlite3.Row(_cursor(tuple(names)), _values(names, values))


@functools.lru_cache(maxsize=256)
def _cursor(names: tuple[str, ...]) -> sqlite3.Cursor:
    """A cursor whose columns have these names: a row gets its names from one."""
    columns = ", ".join('NULL AS "{}"'.format(name.replace('"', '""')) for name in names)
    return sqlite3.connect(":memory:", check_same_thread=False).execute(f"SELECT {columns}")


def _values(names: list[str], values: list[Any]) -> tuple[Any, ...]:
    """The values of a row, one for each name."""
    if len(names) != len(values):
        raise DecodeError("a row has as many values as names")
    return tuple(map(_untag, values))


def _un_result_row(content: Any) -> Any:
    from sqlalchemy.engine import IteratorResult
    from sqlalchemy.engine.result import SimpleResultMetaData

    kind, names, values = content
    row: Any = IteratorResult(SimpleResultMetaData(names), iter([_values(names, values)])).one()
    return row if kind == "row" else row._mapping


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
    if content[0] not in SECRETS:
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
    if not is_model(origin):
        raise DecodeError(f"{name[0]} is not a pydantic model")
    parameters = tuple(map(_generic, name[1:]))
    return origin[parameters if len(parameters) > 1 else parameters[0]]


@functools.cache
def _plain_model_of(name: str) -> tuple[Any, frozenset[str]]:
    cls = _class(name)
    if not is_model(cls):
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


_around: ContextVar[tuple[Any, ...]] = ContextVar("splitcost_rows", default=())
"""The rows around the value that is being decoded, the outermost first."""


def _un_row(content: Any) -> Any:
    name, loaded, origin, own = content
    token, around, foreign = None, _around.get(), _foreign.get()
    try:
        mapper = rows.mapper_of(rows.row_class(name))
        if mapper is None:
            raise DecodeError(f"{name} is not a class of rows")
        value = mapper.make()
        token = _around.set((*around, value))
        mapper.give(value, _un_fields(loaded), _un_fields(own), origin)
        if foreign is not None and not around and not mapper.is_new(value):
            value = foreign.adopt(value)
    except DecodeError:
        raise
    except Exception as error:  # The mapper may run code of the app.
        raise DecodeError(f"the row {name} cannot be made: {error}") from error
    finally:
        if token is not None:
            _around.reset(token)
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
    set_state(value, _un_fields(content[2]))
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
    "$w": _un_row,
    "$W": lambda content: _around.get()[content],
    "$U": _un_made,
    "$V": _un_view,
    "$L": _un_database_row,
    "$Y": _un_result_row,
    "$N": lambda content: types.SimpleNamespace(**_un_fields(content)),
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
