"""The price list behind the prices: volume breaks, tiers, campaigns, taxes, coupons."""

from datetime import date
from decimal import Decimal

from shop.catalog.models import Category
from shop.pricing.models import Campaign, Coupon
from shop.users.models import Tier

VOLUME_BREAKS: tuple[tuple[int, Decimal], ...] = (
    (100, Decimal("0.12")),
    (50, Decimal("0.08")),
    (20, Decimal("0.05")),
    (10, Decimal("0.03")),
    (5, Decimal("0.01")),
)

TIER_RATES: dict[Tier, Decimal] = {
    Tier.BASIC: Decimal("0"),
    Tier.SILVER: Decimal("0.02"),
    Tier.GOLD: Decimal("0.05"),
}

TAX_RATES: dict[Category, Decimal] = {
    Category.BOOKS: Decimal("0.07"),
    Category.GROCERY: Decimal("0.07"),
}
STANDARD_TAX_RATE = Decimal("0.19")

CAMPAIGNS: tuple[Campaign, ...] = (
    Campaign("fresh start", frozenset({Category.OFFICE, Category.SPORTS}), 1, 10, Decimal("0.04")),
    Campaign("green thumb", frozenset({Category.GARDEN}), 5, 25, Decimal("0.06")),
    Campaign("bookworm", frozenset({Category.BOOKS}), 12, 18, Decimal("0.03")),
    Campaign("dinner guests", frozenset({Category.GROCERY, Category.KITCHEN}), 15, 31, Decimal("0.05")),
    Campaign("last days", frozenset(Category), 28, 31, Decimal("0.02")),
)

# However many discounts meet, the shop still wants to earn something.
MAXIMUM_RATE = Decimal("0.15")

COUPONS: dict[str, Coupon] = {
    coupon.code: coupon
    for coupon in (
        Coupon("WELCOME10", Decimal("0.10"), Decimal("0"), Decimal("20"), date(2099, 12, 31)),
        Coupon("FIVER", Decimal("0"), Decimal("5.00"), Decimal("25"), date(2099, 12, 31)),
        Coupon("LOYAL3", Decimal("0.03"), Decimal("0"), Decimal("0"), date(2099, 12, 31)),
        Coupon("SUMMER24", Decimal("0.20"), Decimal("0"), Decimal("0"), date(2024, 8, 31)),
    )
}
