"""Callers and callees of the tests of exceptions that come through an `await`. Its counterpart is `catches`."""

import asyncio
import contextlib

from shop import pricing


class MissingError(Exception):
    """As a 404 is."""


async def failing(future):
    """Awaits in its own module what fails."""
    await awaits(future)


async def awaits(future):
    await future


async def stubborn(future):
    """Catches what is thrown in, and awaits again."""
    with contextlib.suppress(asyncio.CancelledError, MissingError):
        await future
    await asyncio.sleep(0)


async def values(future):
    """Catches what is thrown in, and gives out a value."""
    try:
        yield await future
    except MissingError:
        yield pricing.quote(0)


async def closing(future):
    """Awaits while it is closed."""
    try:
        yield 1
    finally:
        await future


@contextlib.asynccontextmanager
async def suppressing():
    """Catches what is raised in its body."""
    with contextlib.suppress(MissingError):
        yield
