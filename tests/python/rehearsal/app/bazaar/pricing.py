"""Plain and async functions of a service of its own in the tests."""

import asyncio
import functools
import os
import threading
import time
from contextlib import contextmanager
from decimal import Decimal

from bazaar import orders
from bazaar.types import HoldsLock, Line, OutOfStock, Product

CURRENCY = "EUR"
RATES = {"EUR": Decimal(1)}


class Register:
    """A service object, which lives at module level."""

    def __init__(self, rate):
        self.rate = Decimal(rate)
        self.lock = threading.Lock()

    def where(self):
        return [os.getpid(), str(self.rate)]

    async def where_async(self):
        return os.getpid()

    def where_twice(self):
        """Calls a method of its own service."""
        return [os.getpid(), self.where()[0], self.kept()]

    def kept(self):
        """Not named in `methods`."""
        return os.getpid()

    @property
    def process(self):
        return os.getpid()

    @staticmethod
    def added(one, other):
        return [os.getpid(), one + other]

    @classmethod
    def named(cls, suffix):
        return [os.getpid(), cls.__name__ + suffix]

    def __call__(self, value):
        return [os.getpid(), value]

    def fill(self, values):
        values.append(os.getpid())

    def fail(self):
        raise OutOfStock(7, 2)


class Till(Register):
    """A subclass: a class method gets it."""


register = Register("1.5")


def echo(value, *rest, **named):
    return [value, list(rest), named] if rest or named else value


def size(value):
    return len(list(value))


async def echo_async(value):
    return value


async def size_async(value):
    return len(value)


def made(size):
    return "x" * size


async def made_async(size):
    return "x" * size


def where():
    """Process and thread that ran it."""
    return {"pid": os.getpid(), "thread": threading.current_thread().name}


async def where_async():
    return {"pid": os.getpid(), "thread": threading.current_thread().name}


def quote(lines: list[Line]) -> Decimal:
    return sum((one(line) for line in lines), Decimal(0))


def one(line: Line) -> Decimal:
    """Called by `quote`, its own module, and from elsewhere."""
    return line.price * rate()


def rate() -> Decimal:
    return RATES[CURRENCY]


@functools.lru_cache(maxsize=8)
def cached(n: int) -> int:
    return n * os.getpid()


def fail(kind: str):
    if kind == "stock":
        raise OutOfStock(7, 2)
    if kind == "key":
        raise KeyError("coupon")
    if kind == "lock":
        raise HoldsLock(threading.Lock())
    if kind == "os":
        raise FileNotFoundError(2, "No such file", "x.txt")
    if kind == "validation":
        Product.model_validate({"id": "not a number"})
    raise ValueError(kind)


async def fail_async(kind: str):
    fail(kind)


def discount(lines: list[Line]) -> int:
    """Changes its argument."""
    for line in lines:
        line.price -= 1
    return len(lines)


def with_callback(callback):
    return callback()


def with_session(session, limit):
    return limit


def gives_lock():
    return threading.Lock()


def numbers(n):
    yield from range(n)


@contextmanager
def held():
    yield os.getpid()


async def anumbers(n):
    for i in range(n):
        yield i


def call_back():
    """A → B → A by plain functions."""
    return orders.service.plain_pid()


async def call_back_async():
    return await orders.service.async_pid()


def nap():
    time.sleep(0.01)


async def nap_async():
    await asyncio.sleep(0.01)


async def hang():
    await asyncio.Event().wait()


def hang_plain():
    threading.Event().wait()


def decorated_badly(function):
    def wrapper(*args):
        return function(*args)

    return wrapper


@decorated_badly
def wrapped_pid():
    return os.getpid()


made_pid = lambda: os.getpid()  # noqa: E731


def outer_pids():
    """Its own module's other function runs in the same process."""
    return [os.getpid(), where()["pid"]]


async def asgi(scope, receive, send):
    """An app that is a plain function of a module that one service owns."""
    if scope["type"] == "http":
        body = str(os.getpid()).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
