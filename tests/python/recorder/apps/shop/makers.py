"""Plain functions that leave the work to whoever called them, and some that do not."""

import asyncio
import contextlib
import functools

import shop_library

from shop import pricing


async def _load(n):
    return n


def of_own(n):
    return _load(n)


def of_other_module(n):
    return pricing.later(n)


def of_partial(n):
    return functools.partial(_load, n)()


def of_library(n):
    return shop_library.later(n)


def of_nested(n):
    async def nested():
        return n

    return nested()


def sometimes(n):
    return _load(n) if n else n


def of_task(n):
    return asyncio.create_task(_load(n))


def of_generator(n):
    return _numbers(n)


def of_expression(n):
    return (i for i in range(n))


def of_generator_later(n):
    return _numbers_later(n)


def _numbers(n):
    yield from range(n)


async def _numbers_later(n):
    yield n


@contextlib.contextmanager
def managed(n):
    yield n


@contextlib.asynccontextmanager
async def managed_later(n):
    yield n


def of_context(n):
    return managed(n)


def of_context_of_library():
    return shop_library.managed()
