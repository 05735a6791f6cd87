"""The caller of most tests."""

import asyncio
import concurrent.futures

from shop import pricing


def total(n):
    return sum(pricing.quote(i) for i in range(n))


def odd(n):
    return False if n == 0 else pricing.even(n - 1)


def deep(n):
    return pricing.factorial(n)


def try_refused(n):
    try:
        pricing.refuse(n)
    except pricing.RefusedError:
        return "refused"


def iterate(n, stop):
    out = []
    numbers = pricing.numbers(n)
    for i in numbers:
        out.append(i)
        if i == stop:
            break
    numbers.close()
    return out


async def iterate_later(n):
    return [i async for i in pricing.numbers_later(n)]


async def one_later(n):
    return await pricing.later(n)


async def inside(n):
    return await pricing.later_inside(n)


async def gathered(n):
    return await asyncio.gather(*(pricing.later(i) for i in range(n)))


async def tasked(n):
    task = asyncio.create_task(pricing.later(n))
    pricing.quote(n)
    return await task


async def own_task(n):
    """A task of its own module, which calls another one."""
    return await asyncio.create_task(one_later(n))


async def threaded(n):
    return await asyncio.to_thread(pricing.quote, n)


async def executed(n):
    return await asyncio.get_running_loop().run_in_executor(None, pricing.quote, n)


def submitted(n):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(pricing.quote, n).result()


async def cancelled():
    task = asyncio.create_task(pricing.forever())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"


async def cancelled_inline():
    async def inner():
        await pricing.forever()

    task = asyncio.ensure_future(inner())
    await asyncio.sleep(0)
    task.cancel()
    return await asyncio.gather(task, return_exceptions=True)


async def survived():
    task = asyncio.create_task(pricing.stubborn())
    await asyncio.sleep(0)
    task.cancel()
    return await task


async def failed():
    return await asyncio.gather(pricing.refuse_later(1), pricing.later(1), return_exceptions=True)


async def spawned(n):
    from sqlalchemy.util import greenlet_spawn

    first = await greenlet_spawn(pricing.waits, 1)
    return first + await greenlet_spawn(pricing.waits, 1)
