"""Types that run code of their own wherever they are looked at."""

import builtins
import collections
import dataclasses
import enum
import sys
import types

RAN = []


def ran(what):
    RAN.append(what)


class Meta(type):
    def __getattribute__(cls, name):
        ran(f"Meta.{name}")
        return super().__getattribute__(name)

    def __instancecheck__(cls, value):
        ran("__instancecheck__")
        return False

    def __subclasscheck__(cls, other):
        ran("__subclasscheck__")
        return False

    def __dir__(cls):
        ran("__dir__")
        return []

    def __eq__(cls, other):
        ran("Meta.__eq__")
        return cls is other

    def __hash__(cls):
        ran("Meta.__hash__")
        return 1

    @property
    def __module__(cls):
        ran("__module__")
        return "other"

    @property
    def __mro__(cls):
        ran("__mro__")
        return ()

    @property
    def __dict__(cls):
        ran("Meta.__dict__")
        return {}


class OfMeta(metaclass=Meta):
    pass


class Pretender:
    @property
    def __class__(self):
        ran("__class__")
        return int

    def __len__(self):
        ran("__len__")
        return 1

    def __getattribute__(self, name):
        ran(f"Pretender.{name}")
        return object.__getattribute__(self, name)


class Text(str):
    def __hash__(self):
        ran("Text.__hash__")
        return 5

    def __eq__(self, other):
        ran("Text.__eq__")
        return True

    def __len__(self):
        ran("Text.__len__")
        return 5

    def __str__(self):
        ran("Text.__str__")
        return "x"


class Items(list):
    def __iter__(self):
        ran("Items.__iter__")
        return iter([])

    def __len__(self):
        ran("Items.__len__")
        return 0

    def __getitem__(self, index):
        ran("Items.__getitem__")
        return None


class Number(int):
    def __hash__(self):
        ran("Number.__hash__")
        return 1

    def __index__(self):
        ran("Number.__index__")
        return 1


class Pair(tuple):
    _fields = ("a", "b")

    def __iter__(self):
        ran("Pair.__iter__")
        return iter([])

    def __len__(self):
        ran("Pair.__len__")
        return 0


class Error(Exception):
    @property
    def args(self):
        ran("Error.args")
        return ()


class Key:
    def __hash__(self):
        ran("Key.__hash__")
        return 1

    def __eq__(self, other):
        ran("Key.__eq__")
        return False


class Computed:
    def __get__(self, instance, owner=None):
        ran("Computed.__get__")
        return 1

    def __set__(self, instance, value):
        pass


@dataclasses.dataclass
class Line:
    amount: int = 1


Line.amount = Computed()


@dataclasses.dataclass(slots=True)
class Slotted:
    amount: int = 1


class SlottedChild(Slotted):
    __slots__ = ()

    @property
    def amount(self):
        ran("SlottedChild.amount")

    @amount.setter
    def amount(self, value):
        Slotted.amount.__set__(self, value)


class Color(enum.Enum):
    RED = 1

    @property
    def name(self):
        ran("Color.name")
        return "red"


class Module(types.ModuleType):
    def __getattr__(self, name):
        ran(f"Module.{name}")
        raise AttributeError(name)

    @property
    def __dict__(self):
        ran("Module.__dict__")
        return {}


class Missing(collections.defaultdict):
    def __missing__(self, key):
        ran("Missing.__missing__")


class Deque:
    """Says that it is another."""

    __module__ = "collections"
    __qualname__ = "deque"
    maxlen = property(lambda self: ran("Deque.maxlen"))

    def __iter__(self):
        ran("Deque.__iter__")
        return iter([])


class Setting:
    def __init__(self):
        self.__dict__["amount"] = 1

    def __getattr__(self, name):
        ran(f"Setting.{name}")
        raise AttributeError(name)

    def __setattr__(self, name, value):
        ran("Setting.__setattr__")


def values():
    sys.modules["app.lazy"] = Module("app.lazy")
    made = [
        OfMeta(),
        OfMeta,
        Pretender(),
        Text("x"),
        Items([1]),
        Number(3),
        Pair((1, 2)),
        Error(1),
        {Key(): 1},
        Line(),
        SlottedChild(),
        Color.RED,
        sys.modules["app.lazy"],
        Missing(list),
        Deque(),
        Setting(),
        {Text("k"): 1},
        [Text("a")],
    ]
    RAN.clear()
    return made


def watch_imports():
    original = builtins.__import__

    def watched(*arguments, **options):
        ran(f"import {arguments[0]}")
        return original(*arguments, **options)

    builtins.__import__ = watched
