"""Makes a value of each kind."""

import array
import asyncio
import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import fractions
import html.parser
import http.cookies
import ipaddress
import logging
import re
import sqlite3
import string
import threading
import types
import typing
import zoneinfo

import pydantic

LIBRARIES = (array, asyncio, fractions, http.cookies, ipaddress, re, string, types, zoneinfo)
"""Modules whose objects the tests pass on."""


class Color(enum.Enum):
    RED = "r"

    def label(self):
        return self.value


class Point(typing.NamedTuple):
    x: int
    y: int

    def norm(self):
        return self.x + self.y


@dataclasses.dataclass
class Line:
    sku: str
    amount: int = 1

    def double(self):
        return self.amount * 2

    def add(self):
        self.amount += 1


@dataclasses.dataclass(slots=True)
class Slotted:
    sku: str


def shortened(text):
    return text[:3]


class Label(pydantic.BaseModel):
    text: typing.Annotated[str, pydantic.AfterValidator(shortened)]

    @pydantic.field_validator("text")
    @classmethod
    def lowered(cls, text):
        return text.lower()


class Model(pydantic.BaseModel):
    amount: int


class Plain:
    """Fields that are data."""

    def __init__(self, amount=1):
        self.amount = amount
        self.points = [Point(1, 2)]

    def total(self):
        return self.amount

    def add(self):
        self.amount += 1

    @property
    def half(self):
        return self.amount / 2

    def __call__(self):
        return self.amount

    async def later(self):
        return self.amount

    @classmethod
    def make(cls, amount):
        return cls(amount)

    @staticmethod
    def static(first):
        return first

    @staticmethod
    def __hidden(first):
        return first

    def hide(self):
        return type(self).__hidden(self)


class Child(Plain):
    """Inherits every method."""


class Slots:
    __slots__ = ("amount", "empty")

    def __init__(self):
        self.amount = 1

    def total(self):
        return self.amount


class Empty:
    def total(self):
        return 0


class Kept:
    """Has one object for each name, which the class keeps."""

    _kept = {}

    def __new__(cls, name):
        if name not in cls._kept:
            cls._kept[name] = super().__new__(cls)
            cls._kept[name].name = name
        return cls._kept[name]

    def total(self):
        return 0


class Holder:
    """Holds a Plain, so it is data too."""

    def __init__(self):
        self.plain = Plain()


class Service:
    """Holds a resource."""

    def __init__(self):
        self.connection = sqlite3.connect(":memory:")
        self.calls = 0

    def total(self):
        self.calls += 1
        return self.calls


class Outer:
    """Holds a service object."""

    def __init__(self):
        self.callback = len
        self.service = Service()

    def total(self):
        return 1


@dataclasses.dataclass
class Command:
    """A dataclass, and a service object."""

    service: Service

    def total(self):
        return 1


@dataclasses.dataclass
class Job:
    """A dataclass that cannot be encoded."""

    done: typing.Any


class Subscriber:
    """Holds a callback."""

    def __init__(self):
        self.on_done = lambda: None

    def total(self):
        return 1


class Locked:
    def __init__(self):
        self.lock = threading.Lock()

    def total(self):
        return 1


class Node:
    """Refers to itself."""

    def __init__(self):
        self.parent = self

    def total(self):
        return 1


class Numbers:
    def __next__(self):
        return 1

    def __iter__(self):
        return self


class OwnDict(dict):
    def __iter__(self):
        raise AssertionError

    def total(self):
        return 1

    def given(self, done):
        self.done = done
        return self


class OwnBytes(bytes):
    pass


class OwnSet(set):
    def __iter__(self):
        raise AssertionError


class OwnOrder(collections.OrderedDict):
    pass


class OwnTime(datetime.time):
    pass


class Keeper(logging.Handler):
    """Extends a class of a library; the app calls it by its name."""

    def emit(self, record):
        return record


class Entered(contextlib.AbstractContextManager):
    """Derives from a class that only says which methods it has."""

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass


class Parser(html.parser.HTMLParser):
    def handle_data(self, data):
        return data


class OwnText(str):
    """Text with methods of its own; none of them runs in a walk."""

    __slots__ = ()

    def __hash__(self):
        raise AssertionError

    def __len__(self):
        raise AssertionError


class OwnNumber(int):
    def __index__(self):
        raise AssertionError


class OwnZone(datetime.tzinfo):
    """A time zone, none of whose code runs in a walk."""

    def utcoffset(self, moment):
        raise AssertionError


def zoned(zone):
    return datetime.datetime(2026, 1, 1, tzinfo=zone)


class OwnMoment(datetime.datetime):
    def __hash__(self):
        raise AssertionError


class OwnAmount(decimal.Decimal):
    def __str__(self):
        raise AssertionError


def a_row():
    with sqlite3.connect(":memory:") as database:
        database.row_factory = sqlite3.Row
        return database.execute("select 1 as a, 'b' as b").fetchone()


class OwnConnection(sqlite3.Connection):
    def total(self):
        return 1


class Error(Exception):
    pass


def local():
    class Local:
        def __init__(self):
            self.amount = 1

        def total(self):
            return 1

    @dataclasses.dataclass
    class LocalLine:
        amount: int = 1

    return Local, LocalLine


def free(first):
    return first


def nested(first):
    def inner(first):
        return first

    return inner


plain = Plain(3)
service = Service()
services = collections.OrderedDict(main=Service())
line = Line("a")
logger = logging.getLogger("kinds")
Row = collections.namedtuple("Row", "a b")
