"""Prices of lines and baskets."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from shop.money import CENT
from shop.pricing.errors import ExpiredCoupon, UnknownCoupon
from shop.pricing.models import Coupon, PricedLine, PriceRequest
from shop.pricing.rules import (
    CAMPAIGNS,
    COUPONS,
    MAXIMUM_RATE,
    STANDARD_TAX_RATE,
    TAX_RATES,
    TIER_RATES,
    VOLUME_BREAKS,
)


def price_line(request: PriceRequest) -> PricedLine:
    """The price of one line with every discount that applies, and its tax."""
    discounts = _discounts(request)
    rate = min(sum((rate for _, rate in discounts), Decimal(0)), MAXIMUM_RATE)
    net = _round(request.list_price * request.quantity)
    discount = _round(net * rate)
    tax = _round((net - discount) * TAX_RATES.get(request.category, STANDARD_TAX_RATE))
    return PricedLine(
        product_id=request.product_id,
        quantity=request.quantity,
        net=net,
        discount=discount,
        tax=tax,
        gross=net - discount + tax,
        applied=tuple(name for name, _ in discounts),
    )


def coupon_discount(code: str, total: Decimal, on: date) -> Decimal:
    """Returns the discount of a coupon on a total, on a day: zero below the coupon's minimum.

    Raises `UnknownCoupon`, or `ExpiredCoupon` after its last day.
    """
    coupon = find_coupon(code, on)
    if total < coupon.minimum:
        return Decimal("0.00")
    return min(_round(total * coupon.rate + coupon.amount), total)


def find_coupon(code: str, on: date) -> Coupon:
    """A coupon that is good on a day."""
    coupon = COUPONS.get(code.strip().upper())
    if coupon is None:
        raise UnknownCoupon(code)
    if coupon.valid_until < on:
        raise ExpiredCoupon(code)
    return coupon


def _discounts(request: PriceRequest) -> list[tuple[str, Decimal]]:
    """Every discount that applies, by name."""
    discounts = [
        (campaign.name, campaign.rate)
        for campaign in CAMPAIGNS
        if request.category in campaign.categories
        and campaign.first_day <= request.on.day <= campaign.last_day
    ]
    for minimum, rate in VOLUME_BREAKS:
        if request.quantity >= minimum:
            discounts.append((f"{minimum} and more", rate))
            break
    if tier_rate := TIER_RATES[request.tier]:
        discounts.append((f"{request.tier} customer", tier_rate))
    return discounts


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)
