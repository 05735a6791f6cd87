"""The messages that other modules want to be sent to customers, and those that were sent."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from shop.money import Money
from shop.notifications.models import MessageKind


class OrderConfirmation(BaseModel):
    """An order was placed."""

    user_id: int
    name: str
    order_id: int
    invoice_number: str
    items: list[str]
    total: Money


class PaymentReceived(BaseModel):
    """Money arrived."""

    user_id: int
    order_id: int
    amount: Money
    received_at: datetime


class NotificationRead(BaseModel):
    """A message without its body."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    kind: MessageKind
    subject: str
    created_at: datetime
