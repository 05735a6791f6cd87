"""HTTP bodies of the orders module, and what it says to others."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shop.billing.models import PaymentMethod
from shop.billing.schemas import InvoiceSummary
from shop.money import Money
from shop.notifications.schemas import NotificationRead
from shop.orders.models import OrderStatus


class OrderLineIn(BaseModel):
    """An article somebody wants."""

    product_id: int
    quantity: int = Field(ge=1, le=1_000)


class OrderIn(BaseModel):
    """An order somebody places."""

    lines: list[OrderLineIn] = Field(min_length=1, max_length=50)
    coupon: str | None = None


class OrderLineRead(BaseModel):
    """An article in an order."""

    model_config = ConfigDict(from_attributes=True)

    product_id: int
    quantity: int
    gross: Money


class OrderRead(BaseModel):
    """An order as it was placed."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    user_id: int
    status: OrderStatus
    coupon: str | None
    discount: Money
    total: Money
    placed_at: datetime
    lines: list[OrderLineRead]


class OrderDetail(BaseModel):
    """An order with what the other departments know about it."""

    order: OrderRead
    customer: str
    invoice: InvoiceSummary | None
    last_message: NotificationRead | None


class OrderSummary(BaseModel):
    """An order in a short list."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    status: OrderStatus
    total: Money
    placed_at: datetime


class ReorderLine(BaseModel):
    """An article in an order, and its price if it were ordered again today."""

    product_id: int
    name: str
    quantity: int
    paid: Money
    today: Money
    discounts: tuple[str, ...]


class ReorderableOrder(BaseModel):
    """An order in the customer's history."""

    id: int
    status: OrderStatus
    placed_at: datetime
    total: Money
    total_today: Money
    lines: list[ReorderLine]


class PaymentIn(BaseModel):
    """Money that arrived for an order."""

    amount: Annotated[Decimal, Field(gt=0, max_digits=10, decimal_places=2)]
    method: PaymentMethod


class PaymentRead(BaseModel):
    """A payment, and the state of its order afterwards."""

    payment_id: int
    order_id: int
    status: OrderStatus
    open_amount: Money
    received_at: datetime


class SaleRow(BaseModel):
    """A sold line, for reports."""

    order_id: int
    placed_at: datetime
    country: str
    sku: str
    product: str
    category: str
    quantity: int
    revenue: Money
