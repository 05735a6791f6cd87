"""A loop that handles messages, in three ways."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

from store import pricing


def handle(message):
    return pricing.price(message)


async def handle_later(message):
    await asyncio.sleep(0)
    return pricing.price(message)


def main():
    pricing.log()
    for message in range(2):
        handle(message)


def threads():
    with ThreadPoolExecutor(1) as pool:
        list(pool.map(handle, range(2)))


async def tasks():
    await asyncio.gather(*(asyncio.create_task(handle_later(message)) for message in range(2)))


if __name__ == "__main__":
    match sys.argv[1]:
        case "main":
            main()
        case "threads":
            threads()
        case "tasks":
            asyncio.run(tasks())
