"""A library between calls of the app."""

import asyncio
import contextlib
import functools


async def caught(awaitable, error, callback):
    """Catches an error of what it awaits, calls back, and awaits something else."""
    try:
        await awaitable
    except error:
        await callback()
        await asyncio.sleep(0)


async def later(n):
    await asyncio.sleep(0)
    return n


@contextlib.contextmanager
def managed():
    yield


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper
