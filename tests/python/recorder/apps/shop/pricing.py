"""The callee of most tests."""

import asyncio
import contextvars
import threading
from dataclasses import dataclass, field


@dataclass
class Line:
    sku: str
    amount: int = 1
    tags: list = field(default_factory=list)


class Session:
    """A live resource."""

    def __init__(self):
        self.lock = threading.Lock()


class RefusedError(Exception):
    pass


def quote(n):
    return n + 1


def factorial(n):
    return 1 if n <= 1 else n * factorial(n - 1)


def even(n):
    """Recursion through another module: each turn is a crossing."""
    from shop import orders

    return True if n == 0 else orders.odd(n - 1)


def refuse(n):
    raise RefusedError(f"no {n}")


async def later(n):
    await asyncio.sleep(0)
    return n + 1


async def later_inside(n):
    """Awaits inside its own module."""
    return await later(n) + await later(n)


async def refuse_later(n):
    await asyncio.sleep(0)
    raise RefusedError(f"no {n}")


async def forever():
    await asyncio.get_running_loop().create_future()


async def stubborn():
    """Catches what is thrown in, awaits again, and ends well."""
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        return "survived"


def numbers(n):
    for i in range(n):
        quote(i)
        yield i


async def numbers_later(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i


def with_session(session, n):
    return n


def with_callback(callback):
    return callback(1)


def add_tag(line):
    line.tags.append("seen")
    return line


def fill(lines, options):
    options["done"] = True
    return len(lines)


def echo(value):
    return value


def echo_two(first, *rest, key=None, **more):
    return first


def in_context(name):
    return contextvars.copy_context()


def nested(n):
    def inner(k):
        return [quote(i) for i in range(k)]

    return inner(n)


def waits(n):
    """Awaits from within a plain function, in a greenlet."""
    from sqlalchemy.util import await_only

    from shop import orders

    await_only(asyncio.sleep(0))
    return orders.total(n)


def give(line):
    """A generator that holds its argument until it ends."""
    yield 1
    yield line


async def hold(line):
    """A coroutine that holds its argument until it ends."""
    await asyncio.sleep(0)
    return line


async def add_tag_later(line):
    await asyncio.sleep(0)
    line.tags.append("seen")


async def replace_later(line):
    await asyncio.sleep(0)
    line = Line("another", tags=["seen"])
    await asyncio.sleep(0)
    return line.sku


def with_two(line, callback):
    return callback()
