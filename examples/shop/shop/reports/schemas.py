"""HTTP bodies of the reports."""

from pydantic import BaseModel

from shop.money import Money
from shop.orders.schemas import SaleRow


class CategoryTotal(BaseModel):
    """The sales of a category."""

    category: str
    lines: int
    quantity: int
    revenue: Money


class SalesReport(BaseModel):
    """The latest sales, by line and by category."""

    rows: list[SaleRow]
    categories: list[CategoryTotal]
    revenue: Money
