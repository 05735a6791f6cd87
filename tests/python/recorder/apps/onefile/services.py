"""Every service of the app, one class each."""

from __future__ import annotations

import functools


def logged(method):
    @functools.wraps(method)
    def wrapper(*args, **options):
        return method(*args, **options)

    return wrapper


def rate() -> int:
    return 19


class Records:
    """A base class, which is nobody's service."""

    def save(self) -> str:
        return "saved"


class Orders(Records):
    """The service that is a module of its own."""

    fee = 3

    class Line:
        def total(self) -> int:
            return 2

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        return "called"

    def place(self) -> int:
        return self.Line().total() + rate()

    @logged
    def cancel(self) -> str:
        return "cancelled"

    @staticmethod
    def number() -> int:
        return 7

    @classmethod
    def make(cls) -> Orders:
        return cls()

    @property
    def size(self) -> int:
        return self.count

    async def later(self) -> int:
        return rate()

    def each(self):
        yield rate()

    def callback(self):
        return lambda: rate()


class Rush(Orders):
    """A service of the same kind, which belongs to it."""

    def place(self) -> int:
        return super().place() + 1

    class Label:
        def text(self) -> str:
            return "rush"


class Users:
    """Another service."""

    def greet(self, orders: Orders) -> int:
        return orders.place()


orders = Orders()
rush = Rush()
users = Users()
