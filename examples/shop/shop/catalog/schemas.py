"""The data that the catalogue gives to other modules."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from shop.catalog.models import Category
from shop.money import Money


class Availability(StrEnum):
    """The availability that a customer sees."""

    IN_STOCK = "in stock"
    FEW_LEFT = "few left"
    SOLD_OUT = "sold out"


class ProductRead(BaseModel):
    """An article with everything the catalogue knows."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    sku: str
    name: str
    description: str
    category: Category
    list_price: Money
    weight_grams: int


class ProductCard(BaseModel):
    """An article in a list; the inventory fills in the availability."""

    id: int
    sku: str
    name: str
    category: Category
    list_price: Money
    availability: Availability | None = None


class ProductPage(BaseModel):
    """One page of a list."""

    page: int
    cards: list[ProductCard]


class ProductDetail(BaseModel):
    """An article as shown to one customer."""

    product: ProductRead
    your_price: Money
    availability: Availability
    warehouse: str


class ProductQuote(BaseModel):
    """The price of a quantity of an article, for one customer, today."""

    product_id: int
    quantity: int
    net: Money
    discount: Money
    tax: Money
    coupon_discount: Money
    total: Money
