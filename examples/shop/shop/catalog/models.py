"""Tables of the catalogue."""

from decimal import Decimal
from enum import StrEnum

from sqlmodel import Field, SQLModel


class Category(StrEnum):
    """Departments of the shop."""

    BOOKS = "books"
    ELECTRONICS = "electronics"
    GARDEN = "garden"
    GROCERY = "grocery"
    KITCHEN = "kitchen"
    OFFICE = "office"
    SPORTS = "sports"
    TOYS = "toys"


class Product(SQLModel, table=True):
    """An article on sale."""

    id: int | None = Field(default=None, primary_key=True)
    sku: str = Field(unique=True)
    name: str
    description: str
    category: Category = Field(index=True)
    list_price: Decimal = Field(max_digits=12, decimal_places=2)
    weight_grams: int
