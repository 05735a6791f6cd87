"""Values that go into and come out of the price rules."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from shop.catalog.models import Category
from shop.users.models import Tier


@dataclass(frozen=True, slots=True)
class PriceRequest:
    """A quantity of an article, for a customer of some tier, on a day."""

    product_id: int
    category: Category
    list_price: Decimal
    quantity: int
    tier: Tier
    on: date


@dataclass(frozen=True, slots=True)
class PricedLine:
    """The price of a line: `gross = net - discount + tax`."""

    product_id: int
    quantity: int
    net: Decimal
    discount: Decimal
    tax: Decimal
    gross: Decimal
    applied: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Campaign:
    """A discount on some categories for some days of each month."""

    name: str
    categories: frozenset[Category]
    first_day: int
    last_day: int
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Coupon:
    """A code that takes a share or an amount off a basket."""

    code: str
    rate: Decimal
    amount: Decimal
    minimum: Decimal
    valid_until: date
