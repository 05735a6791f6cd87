"""The functions that the runners of jobs run."""

from store import pricing


def item(item: int) -> int:
    return pricing.price(item)


async def later(context: object, item: int) -> int:
    return pricing.price(item)
