"""The price rules on their own."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from shop.catalog.models import Category
from shop.pricing import service as pricing
from shop.pricing.errors import ExpiredCoupon, UnknownCoupon
from shop.pricing.models import PriceRequest
from shop.users.models import Tier

TODAY = date(2026, 3, 11)
REQUEST = PriceRequest(
    product_id=1,
    category=Category.TOYS,
    list_price=Decimal("10.00"),
    quantity=1,
    tier=Tier.BASIC,
    on=TODAY,
)


def test_tax_comes_on_top() -> None:
    line = pricing.price_line(REQUEST)
    assert (line.net, line.discount, line.tax, line.gross) == (
        Decimal("10.00"),
        Decimal("0.00"),
        Decimal("1.90"),
        Decimal("11.90"),
    )
    assert line.applied == ()


def test_discounts_meet_and_are_limited() -> None:
    line = pricing.price_line(replace(REQUEST, category=Category.GARDEN, quantity=50, tier=Tier.GOLD))
    assert line.applied == ("green thumb", "50 and more", "gold customer")
    assert line.discount == Decimal("75.00"), "19 % in sum, but no more than 15 %"


def test_books_are_taxed_less() -> None:
    assert pricing.price_line(replace(REQUEST, category=Category.BOOKS)).tax == Decimal("0.70")


@pytest.mark.parametrize(
    ("code", "total", "expected"),
    [
        ("WELCOME10", "50.05", "5.01"),
        ("welcome10", "19.99", "0.00"),
        ("FIVER", "25.00", "5.00"),
        ("LOYAL3", "1.00", "0.03"),
    ],
)
def test_coupons(code: str, total: str, expected: str) -> None:
    assert pricing.coupon_discount(code, Decimal(total), TODAY) == Decimal(expected)


def test_bad_coupons() -> None:
    with pytest.raises(UnknownCoupon, match="NOPE is unknown"):
        pricing.find_coupon("NOPE", TODAY)
    with pytest.raises(ExpiredCoupon, match="SUMMER24 has expired"):
        pricing.find_coupon("SUMMER24", TODAY)
