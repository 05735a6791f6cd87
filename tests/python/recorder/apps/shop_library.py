"""A library between calls of the app."""

import asyncio
import contextlib


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
