"""Catches exceptions that come through an `await`, and then makes a call."""

import asyncio
import contextlib

import shop_library

from shop import pricing, throws


async def run(name):
    """The only call of this module: what it awaits in its own is a part of it."""
    await _run(name)


async def _run(name):
    await globals()[name]()
    pricing.quote(1)


def _fails_soon():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.set_exception, throws.MissingError())
    return future


async def missing():
    with contextlib.suppress(throws.MissingError):
        await throws.failing(_fails_soon())


async def missing_in_library():
    """A library catches, and calls the module again."""
    await shop_library.caught(throws.failing(_fails_soon()), throws.MissingError, _called_back)


async def _called_back():
    pricing.quote(2)


async def timeout():
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await throws.awaits(asyncio.get_running_loop().create_future())


async def waited_for():
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(throws.awaits(asyncio.get_running_loop().create_future()), 1e-9)


async def cancelled():
    asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await throws.awaits(asyncio.get_running_loop().create_future())


async def stubborn():
    await throws.stubborn(_fails_soon())


async def generator():
    async for _ in throws.values(_fails_soon()):
        pass


async def thrown():
    values = throws.closing(_fails_soon())
    await anext(values)
    with contextlib.suppress(throws.MissingError):
        await values.athrow(ValueError())


async def closed():
    values = throws.closing(_fails_soon())
    await anext(values)
    with contextlib.suppress(throws.MissingError):
        await values.aclose()


async def managed():
    async with throws.suppressing():
        await throws.failing(_fails_soon())
