"""HTTP side of the catalogue."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from shop.auth import CurrentUserId
from shop.catalog import service
from shop.catalog.models import Category
from shop.catalog.schemas import ProductDetail, ProductPage, ProductQuote
from shop.inventory import service as inventory
from shop.money import ZERO
from shop.pricing import service as pricing
from shop.pricing.models import PriceRequest
from shop.users import service as users

router = APIRouter(prefix="/products", tags=["catalog"])


@router.get("")
def list_products(category: Category | None = None, page: Annotated[int, Query(ge=1)] = 1) -> ProductPage:
    """A page of articles with their availability."""
    cards = service.list_page(category, page)
    inventory.annotate_availability(cards)
    return ProductPage(page=page, cards=cards)


@router.get("/{product_id}")
def read_product(product_id: int, user_id: CurrentUserId) -> ProductDetail:
    """One article with the customer's price and the stock."""
    product = service.get_product(product_id)
    level = inventory.stock_level(product_id)
    priced = pricing.price_line(
        PriceRequest(
            product_id=product.id,
            category=product.category,
            list_price=product.list_price,
            quantity=1,
            tier=users.tier_of(user_id),
            on=datetime.now(UTC).date(),
        )
    )
    return ProductDetail(
        product=product,
        your_price=priced.gross,
        availability=level.availability,
        warehouse=level.warehouse,
    )


@router.get("/{product_id}/quote")
async def quote_product(
    product_id: int,
    user_id: CurrentUserId,
    quantity: Annotated[int, Query(ge=1, le=1_000)] = 1,
    coupon: str | None = None,
) -> ProductQuote:
    """Returns today's price of a quantity. Prices are computed, not loaded: this stays on the event loop."""
    product = await service.fetch_product(product_id)
    user = await users.get_user(user_id)
    today = datetime.now(UTC).date()
    priced = pricing.price_line(
        PriceRequest(
            product_id=product.id,
            category=product.category,
            list_price=product.list_price,
            quantity=quantity,
            tier=user.tier,
            on=today,
        )
    )
    coupon_discount = pricing.coupon_discount(coupon, priced.gross, today) if coupon else ZERO
    return ProductQuote(
        product_id=product.id,
        quantity=quantity,
        net=priced.net,
        discount=priced.discount,
        tax=priced.tax,
        coupon_discount=coupon_discount,
        total=priced.gross - coupon_discount,
    )
