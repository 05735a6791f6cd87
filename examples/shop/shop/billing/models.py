"""Tables and values of the billing module."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlmodel import Field, SQLModel


class PaymentMethod(StrEnum):
    """The way in which a customer pays."""

    CARD = "card"
    INVOICE = "invoice"
    TRANSFER = "transfer"


class Invoice(SQLModel, table=True):
    """An invoice for an order, with the document that was sent."""

    id: int | None = Field(default=None, primary_key=True)
    order_id: int = Field(foreign_key="customer_order.id", unique=True)
    user_id: int = Field(foreign_key="user.id", index=True)
    number: str
    total: Decimal = Field(max_digits=12, decimal_places=2)
    paid: Decimal = Field(max_digits=12, decimal_places=2)
    issued_at: datetime
    document: bytes


class Payment(SQLModel, table=True):
    """Money that arrived."""

    id: int | None = Field(default=None, primary_key=True)
    invoice_id: int = Field(foreign_key="invoice.id")
    amount: Decimal = Field(max_digits=10, decimal_places=2)
    method: PaymentMethod
    actor_id: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """A payment, and the state of its invoice afterwards."""

    payment_id: int
    open_amount: Decimal
    settled: bool
    received_at: datetime
