"""Writing invoices and booking payments."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

from sqlmodel import col, func, select, update

from shop.billing.document import render
from shop.billing.models import Invoice, Payment, PaymentMethod, Receipt
from shop.billing.schemas import InvoiceDraft, InvoiceSummary
from shop.db import async_session, sync_session, writer
from shop.errors import NotFound
from shop.money import CENT, ZERO


async def open_invoice(draft: InvoiceDraft) -> InvoiceSummary:
    """Write the invoice of an order."""
    now = datetime.now(UTC)
    number = f"{now:%Y}-{draft.order_id:07d}"
    invoice = Invoice(
        order_id=draft.order_id,
        user_id=draft.user_id,
        number=number,
        total=draft.total,
        paid=ZERO,
        issued_at=now,
        document=render(draft, number, now.date()),
    )
    async with async_session() as session:
        session.add(invoice)
        await session.commit()
    return _summary(invoice)


async def invoice_of(order_id: int) -> InvoiceSummary | None:
    """The invoice of an order, if it has been written."""
    query = select(col(Invoice.number), col(Invoice.total), col(Invoice.paid), col(Invoice.issued_at))
    async with async_session() as session:
        row = (await session.exec(query.where(Invoice.order_id == order_id))).first()
    if row is None:
        return None
    number, total, paid, issued_at = row
    return InvoiceSummary(number=number, total=total, paid=paid, issued_at=issued_at)


async def document_of(order_id: int) -> bytes:
    """The document of an order's invoice, or `NotFound`."""
    async with async_session() as session:
        document = (await session.exec(select(Invoice.document).where(Invoice.order_id == order_id))).first()
    if document is None:
        raise NotFound("invoice of order", order_id)
    return document


async def record_payment(order_id: int, amount: Decimal, method: PaymentMethod, actor_id: int) -> Receipt:
    """Book money on the invoice of an order, or `NotFound`."""
    return await asyncio.to_thread(_book_payment, order_id, amount, method, actor_id)


async def balance_of(user_id: int) -> Decimal:
    """Returns what a customer paid less what was invoiced: negative if they owe the shop."""
    query = select(func.sum(col(Invoice.paid) - col(Invoice.total))).where(Invoice.user_id == user_id)
    async with async_session() as session:
        balance = (await session.exec(query)).one()
    return (balance or ZERO).quantize(CENT)


def _book_payment(order_id: int, amount: Decimal, method: PaymentMethod, actor_id: int) -> Receipt:
    """The payment and what it does to its invoice, in one transaction."""
    now = datetime.now(UTC)
    with writer, sync_session() as session:
        # The first statement writes, so what it returns cannot change under our feet.
        row = session.exec(
            update(Invoice)
            .where(col(Invoice.order_id) == order_id)
            .values(paid=col(Invoice.paid) + amount)
            .returning(col(Invoice.id), col(Invoice.total), col(Invoice.paid))
            .execution_options(synchronize_session=False)
        ).first()
        if row is None:
            raise NotFound("invoice of order", order_id)
        invoice_id, total, paid = row
        payment = Payment(
            invoice_id=invoice_id, amount=amount, method=method, actor_id=actor_id, received_at=now
        )
        session.add(payment)
        session.commit()
    assert payment.id is not None, "a stored payment has an id"
    return Receipt(
        payment_id=payment.id, open_amount=max(total - paid, ZERO), settled=paid >= total, received_at=now
    )


def _summary(invoice: Invoice) -> InvoiceSummary:
    return InvoiceSummary(
        number=invoice.number, total=invoice.total, paid=invoice.paid, issued_at=invoice.issued_at
    )
