"""Writing invoices and booking payments."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlmodel import col, select, update

from shop.billing.document import render
from shop.billing.models import Account, Invoice, Payment, PaymentMethod, Receipt
from shop.billing.schemas import InvoiceDraft, InvoiceSummary
from shop.db import async_session
from shop.errors import NotFound
from shop.money import ZERO


async def open_invoice(draft: InvoiceDraft) -> InvoiceSummary:
    """Write the invoice of an order and charge the customer's account."""
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
        await session.exec(
            update(Account)
            .where(col(Account.user_id) == draft.user_id)
            .values(balance=col(Account.balance) - draft.total)
            .execution_options(synchronize_session=False)
        )
        await session.commit()
    return _summary(invoice)


async def invoice_of(order_id: int) -> InvoiceSummary | None:
    """The invoice of an order, if it has been written."""
    query = select(Invoice.number, Invoice.total, Invoice.paid, Invoice.issued_at)
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
    """Book money on an order's invoice and its customer's account."""
    now = datetime.now(UTC)
    async with async_session() as session:
        # The first statement writes, so what is read afterwards cannot change under our feet.
        row = (
            await session.exec(
                update(Invoice)
                .where(col(Invoice.order_id) == order_id)
                .values(paid=col(Invoice.paid) + amount)
                .returning(col(Invoice.id), col(Invoice.user_id), col(Invoice.total), col(Invoice.paid))
                .execution_options(synchronize_session=False)
            )
        ).first()
        if row is None:
            raise NotFound("invoice of order", order_id)
        invoice_id, user_id, total, paid = row
        payment = Payment(
            invoice_id=invoice_id, amount=amount, method=method, actor_id=actor_id, received_at=now
        )
        session.add(payment)
        await session.exec(
            update(Account)
            .where(col(Account.user_id) == user_id)
            .values(balance=col(Account.balance) + amount)
            .execution_options(synchronize_session=False)
        )
        await session.commit()
    assert payment.id is not None, "a stored payment has an id"
    return Receipt(
        payment_id=payment.id, open_amount=max(total - paid, ZERO), settled=paid >= total, received_at=now
    )


async def balance_of(user_id: int) -> Decimal:
    """A customer's balance; negative is owed to the shop."""
    async with async_session() as session:
        account = await session.get(Account, user_id)
    return account.balance if account else ZERO


def _summary(invoice: Invoice) -> InvoiceSummary:
    return InvoiceSummary(
        number=invoice.number, total=invoice.total, paid=invoice.paid, issued_at=invoice.issued_at
    )
