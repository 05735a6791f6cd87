"""Prices: plain data in, plain data out."""

from decimal import Decimal


async def quote(item: int, quantity: int) -> Decimal:
    """The price of so many of an item."""
    return Decimal(item) * quantity / 100
