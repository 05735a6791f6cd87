"""The data that other modules exchange with billing."""

from datetime import datetime

from pydantic import BaseModel

from shop.money import Money


class InvoiceLine(BaseModel):
    """A line on an invoice."""

    description: str
    quantity: int
    net: Money
    tax: Money


class InvoiceDraft(BaseModel):
    """The data from which an invoice is written."""

    order_id: int
    user_id: int
    lines: list[InvoiceLine]
    discount: Money
    total: Money


class InvoiceSummary(BaseModel):
    """An invoice without its document."""

    number: str
    total: Money
    paid: Money
    issued_at: datetime
