"""The functions and classes of a service of its own."""

import contextlib
import os
import threading
from dataclasses import dataclass, field

CLOSED = []


@dataclass
class Item:
    name: str
    tags: list = field(default_factory=list)


class Shelf:
    """A service object: it is made for a request, and its fields go along."""

    def __init__(self, items, clock):
        self.items = items
        self.clock = clock
        self.puts = 0
        self.owners = []

    def put(self, name):
        self.items.append(Item(name))
        self.puts += 1
        return self

    def pid(self):
        return os.getpid()

    def ticks(self):
        return self.clock.tick()

    def report(self):
        return [os.getpid(), self.label(), self.puts]

    def label(self):
        return "shelf"

    @property
    def owner(self):
        return [os.getpid(), self.owners]

    @owner.setter
    def owner(self, name):
        self.owners = [*self.owners, [os.getpid(), name]]

    @owner.deleter
    def owner(self):
        self.owners = [[os.getpid(), "nobody"]]

    def each(self):
        for item in self.items:
            yield [os.getpid(), item.name]


class Stand(Shelf):
    """Objects of it are searched for by one test only."""


class Booth(Shelf):
    """The same."""


class Clock:
    """One object of it lives in a registry that the app holds."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = 0

    def tick(self):
        self.now += 1
        return [os.getpid(), self.now]


class Registry:
    def __init__(self):
        self.parts = {"clock": Clock()}


def change_all(numbers, table, names, item, model, nested):
    numbers.sort()
    table["new"] = os.getpid()
    del table["old"]
    names.add("b")
    item.tags.append("x")
    item.name = "changed"
    model.count += 1
    nested[0]["deep"].append(nested[1])
    return nested[0]


def change_and_fail(numbers):
    numbers.append(1)
    raise ValueError("too many")


def change_late(number, items):
    """Changes its argument after the first calls of a function, which are watched anyway."""
    if number == 30:
        items.append(number)


def swap(items):
    items.reverse()


def count(n):
    try:
        for i in range(n):
            yield [os.getpid(), i]
    finally:
        CLOSED.append(n)


def fail_at(n):
    yield from range(n)
    raise LookupError(n)


def gives_locks(n):
    for _ in range(n):
        yield threading.Lock()


async def count_async(n):
    try:
        for i in range(n):
            yield [os.getpid(), i]
    finally:
        CLOSED.append(-n)


def made(n):
    """A plain function that returns a generator."""
    return (i for i in range(n))


def closed():
    return list(CLOSED)


@contextlib.contextmanager
def opened(name):
    CLOSED.append(f"open {name}")
    try:
        yield [os.getpid(), name]
    except KeyError:
        CLOSED.append("suppressed")
    finally:
        CLOSED.append(f"close {name}")


@contextlib.asynccontextmanager
async def opened_async(name):
    CLOSED.append(f"open {name}")
    try:
        yield [os.getpid(), name]
    finally:
        CLOSED.append(f"close {name}")


def fill(cart):
    """Uses an object that stays in its service."""
    cart.add("pear")
    cart.note = "filled"
    return [os.getpid(), cart.total(), cart.items, isinstance(cart, type(cart)), type(cart).__name__]


def keep(cart):
    CLOSED.append(cart)


def use_kept():
    return CLOSED.pop().total()


def give_back(cart):
    return cart
