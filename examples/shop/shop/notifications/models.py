"""Tables of the notifications module."""

from datetime import datetime
from enum import StrEnum

from sqlmodel import Field, SQLModel


class MessageKind(StrEnum):
    """The subject of a message."""

    ORDER_CONFIRMATION = "order confirmation"
    PAYMENT_RECEIVED = "payment received"


class Notification(SQLModel, table=True):
    """A message in the outbox, which is the customer's inbox as well."""

    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="user.id", index=True)
    order_id: int = Field(foreign_key="customer_order.id", index=True)
    kind: MessageKind
    subject: str
    body: str
    created_at: datetime
