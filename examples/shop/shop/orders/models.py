"""Tables of the orders module."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlmodel import Field, Relationship, SQLModel


class OrderStatus(StrEnum):
    """Where an order stands."""

    PLACED = "placed"
    PAID = "paid"


class Order(SQLModel, table=True):
    """An order: a snapshot of prices at the time it was placed."""

    # SQL has a keyword of that name.
    __tablename__ = "customer_order"

    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="user.id", index=True)
    status: OrderStatus = OrderStatus.PLACED
    coupon: str | None = None
    discount: Decimal = Field(max_digits=12, decimal_places=2)
    total: Decimal = Field(max_digits=12, decimal_places=2)
    placed_at: datetime

    lines: list["OrderLine"] = Relationship(back_populates="order")


class OrderLine(SQLModel, table=True):
    """An article in an order."""

    __tablename__ = "order_line"

    id: int | None = Field(default=None, primary_key=True)
    order_id: int | None = Field(default=None, foreign_key="customer_order.id", index=True)
    product_id: int = Field(foreign_key="product.id")
    quantity: int
    gross: Decimal = Field(max_digits=12, decimal_places=2)

    order: Order | None = Relationship(back_populates="lines")
