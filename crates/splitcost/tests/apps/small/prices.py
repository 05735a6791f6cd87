"""Prices: plain data in, plain data out."""

import os
from decimal import Decimal

WORK = int(os.environ.get("SMALL_WORK", "0"))


async def quote(item: int, quantity: int) -> Decimal:
    """The price of so many of an item."""
    for _ in range(WORK):
        pass
    return Decimal(item) * quantity / 100
