"""Writing messages to the outbox and reading them back."""

from datetime import UTC, datetime

from sqlmodel import col, select

from shop.db import async_session
from shop.notifications import templates
from shop.notifications.models import MessageKind, Notification
from shop.notifications.schemas import NotificationRead, OrderConfirmation, PaymentReceived


async def confirm_order(message: OrderConfirmation) -> int:
    """Tell a customer that the order was placed; the message's id."""
    body = templates.ORDER_CONFIRMATION.substitute(
        name=message.name,
        order_id=message.order_id,
        items="\n".join(f"  {item}" for item in message.items),
        invoice_number=message.invoice_number,
        total=message.total,
    )
    return await _send(
        Notification(
            user_id=message.user_id,
            order_id=message.order_id,
            kind=MessageKind.ORDER_CONFIRMATION,
            subject=f"Your order {message.order_id}",
            body=body,
            created_at=datetime.now(UTC),
        )
    )


async def acknowledge_payment(message: PaymentReceived) -> int:
    """Tell a customer that money arrived; the message's id."""
    body = templates.PAYMENT_RECEIVED.substitute(
        amount=message.amount, order_id=message.order_id, day=f"{message.received_at:%d %B %Y}"
    )
    return await _send(
        Notification(
            user_id=message.user_id,
            order_id=message.order_id,
            kind=MessageKind.PAYMENT_RECEIVED,
            subject=f"Your payment for order {message.order_id}",
            body=body,
            created_at=datetime.now(UTC),
        )
    )


async def latest(user_id: int, count: int) -> list[NotificationRead]:
    """The latest messages to a customer."""
    query = (
        select(Notification)
        .where(Notification.user_id == user_id)
        .order_by(col(Notification.id).desc())
        .limit(count)
    )
    async with async_session() as session:
        return [NotificationRead.model_validate(message) for message in await session.exec(query)]


async def last_for_order(order_id: int) -> NotificationRead | None:
    """The last message about an order, if there was one."""
    query = (
        select(Notification)
        .where(Notification.order_id == order_id)
        .order_by(col(Notification.id).desc())
        .limit(1)
    )
    async with async_session() as session:
        message = (await session.exec(query)).first()
    return NotificationRead.model_validate(message) if message else None


async def _send(message: Notification) -> int:
    async with async_session() as session:
        session.add(message)
        await session.commit()
    assert message.id is not None, "a stored message has an id"
    return message.id
