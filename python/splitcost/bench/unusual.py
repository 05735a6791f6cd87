"""Values on which codecs disagree, each once."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import uuid
import zoneinfo
from decimal import Decimal
from typing import Any


class Color(enum.Enum):
    """An enumeration of strings."""

    RED = "red"


class Level(enum.IntEnum):
    """An enumeration of integers."""

    LOW = 1


@dataclasses.dataclass
class Point:
    """A dataclass."""

    x: int


Pair = collections.namedtuple("Pair", ["x", "y"])


class Text(str):
    """A string of a class of its own."""


def values() -> list[tuple[str, Any]]:
    """Return each value with its name."""
    instant = datetime.datetime(2026, 1, 31, 12, 30, 15, 123456)
    found: list[tuple[str, Any]] = [
        ("datetime, naive", instant),
        ("datetime, UTC", instant.replace(tzinfo=datetime.UTC)),
        ("datetime, +02:00", instant.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=2)))),
        ("date", instant.date()),
        ("time", instant.time()),
        ("timedelta", datetime.timedelta(days=1, microseconds=1)),
        ("Decimal", Decimal("1.10")),
        ("bytes, UTF-8", b"abc"),
        ("bytes, not UTF-8", b"\xff\x00"),
        ("NaN", float("nan")),
        ("Infinity", float("inf")),
        ("-Infinity", float("-inf")),
        ("-0.0", -0.0),
        ("int above 2**53", 2**53 + 1),
        ("int above 2**63", 2**63),
        ("int above 2**64", 2**64),
        ("int below -2**63", -(2**63) - 1),
        ("tuple", (1, 2)),
        ("set", {1, 2}),
        ("frozenset", frozenset({1, 2})),
        ("named tuple", Pair(1, 2)),
        ("UUID", uuid.UUID(int=1)),
        ("Enum", Color.RED),
        ("IntEnum", Level.LOW),
        ("str subclass", Text("a")),
        ("dataclass", Point(1)),
        ("complex", 1 + 2j),
        ("list in itself", _cycle()),
        ("dict in itself", _cyclic_dict()),
        ("int as key", {1: "a"}),
        ("float as key", {1.5: "a"}),
        ("bool as key", {True: "a"}),
        ("None as key", {None: "a"}),
        ("tuple as key", {(1, 2): "a"}),
        ("int and str as keys", {1: "a", "1": "b"}),
        ("lone surrogate", "\ud800"),
        ("NUL in a str", "a\x00b"),
        ("300 levels of lists", _deep(300)),
        ("empty key", {"": 1}),
        ("object", object()),
    ]
    try:
        zone = zoneinfo.ZoneInfo("Europe/Berlin")
        found.insert(3, ("datetime, named zone", instant.replace(tzinfo=zone)))
    except zoneinfo.ZoneInfoNotFoundError:
        pass  # No time zones are installed here.
    try:
        import pydantic
    except ImportError:
        return found
    model = pydantic.create_model("Model", x=(int, ...))
    return [*found, ("pydantic model", model(x=1))]


def _cycle() -> list[Any]:
    value: list[Any] = [1]
    value.append(value)
    return value


def _cyclic_dict() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def sample(value: Any) -> Any:
    """The document that a value is tried in: its path there is ``.rows[0].value``."""
    return {"rows": [{"id": 1, "value": value}]}
