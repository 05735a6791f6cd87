"""Placing, reading and paying orders."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy.orm import selectinload
from sqlmodel import Session, col, select, update

from shop.billing import service as billing
from shop.billing.models import PaymentMethod
from shop.billing.schemas import InvoiceDraft, InvoiceLine
from shop.catalog import service as catalog
from shop.catalog.models import Product
from shop.db import async_session, sync_session, writer
from shop.errors import NotFound
from shop.inventory import service as inventory
from shop.money import ZERO
from shop.notifications import service as notifications
from shop.notifications.schemas import OrderConfirmation, PaymentReceived
from shop.orders.errors import OrderRejected
from shop.orders.models import Order, OrderLine, OrderStatus
from shop.orders.schemas import (
    OrderDetail,
    OrderIn,
    OrderRead,
    OrderSummary,
    PaymentRead,
    ReorderableOrder,
    ReorderLine,
    SaleRow,
)
from shop.pricing import service as pricing
from shop.pricing.errors import UnknownCoupon
from shop.pricing.models import PricedLine, PriceRequest
from shop.users import service as users
from shop.users.models import User

HISTORY_LENGTH = 8


def history(user_id: int) -> list[ReorderableOrder]:
    """The latest orders of a customer, each line with today's price beside the one that was paid."""
    tier = users.tier_of(user_id)
    today = datetime.now(UTC).date()
    with sync_session() as session:
        orders = session.exec(
            select(Order)
            .where(Order.user_id == user_id)
            .order_by(col(Order.id).desc())
            .limit(HISTORY_LENGTH)
            .options(selectinload(Order.lines))  # type: ignore[arg-type]
        ).all()
        products = catalog.products_by_id(
            session, {line.product_id for order in orders for line in order.lines}
        )
    result = []
    for order in orders:
        lines = []
        total_today = ZERO
        for line in order.lines:
            product = products[line.product_id]
            priced = pricing.price_line(
                PriceRequest(
                    product_id=line.product_id,
                    category=product.category,
                    list_price=product.list_price,
                    quantity=line.quantity,
                    tier=tier,
                    on=today,
                )
            )
            total_today += priced.gross
            lines.append(
                ReorderLine(
                    product_id=line.product_id,
                    name=product.name,
                    quantity=line.quantity,
                    paid=line.gross,
                    today=priced.gross,
                    discounts=priced.applied,
                )
            )
        result.append(
            ReorderableOrder(
                id=_id(order),
                status=order.status,
                placed_at=order.placed_at,
                total=order.total,
                total_today=total_today,
                lines=lines,
            )
        )
    return result


async def get_order(order_id: int) -> OrderDetail:
    """An order with customer, invoice and last message, which are asked for side by side."""
    async with async_session() as session:
        order = await session.get(Order, order_id, options=[selectinload(Order.lines)])  # type: ignore[arg-type]
    if order is None:
        raise NotFound("order", order_id)
    customer, invoice, message = await asyncio.gather(
        users.get_user(order.user_id),
        billing.invoice_of(order_id),
        notifications.last_for_order(order_id),
    )
    return OrderDetail(
        order=OrderRead.model_validate(order), customer=customer.name, invoice=invoice, last_message=message
    )


async def latest(user_id: int, count: int) -> list[OrderSummary]:
    """The latest orders of a customer, in short."""
    query = select(Order).where(Order.user_id == user_id).order_by(col(Order.id).desc()).limit(count)
    async with async_session() as session:
        return [OrderSummary.model_validate(order) for order in await session.exec(query)]


async def place_order(user_id: int, wish: OrderIn) -> OrderRead:
    """Place an order, send its invoice and tell the customer."""
    customer = await users.get_user(user_id)
    # The transaction is synchronous, and might have to wait for another writer: off the event loop with it.
    order, draft = await asyncio.to_thread(_store_order, customer.id, wish)
    invoice = await billing.open_invoice(draft)
    await notifications.confirm_order(
        OrderConfirmation(
            user_id=customer.id,
            name=customer.name,
            order_id=order.id,
            invoice_number=invoice.number,
            items=[f"{line.quantity} x {line.description}" for line in draft.lines],
            total=order.total,
        )
    )
    return order


async def pay_order(order_id: int, actor_id: int, amount: Decimal, method: PaymentMethod) -> PaymentRead:
    """Book a payment on an order's invoice; what is paid too much counts in the customer's favour."""
    receipt = await billing.record_payment(order_id, amount, method, actor_id)
    status = OrderStatus.PAID if receipt.settled else OrderStatus.PLACED
    async with async_session() as session:
        user_id = (
            await session.exec(
                update(Order)
                .where(col(Order.id) == order_id)
                .values(status=status)
                .returning(col(Order.user_id))
                .execution_options(synchronize_session=False)
            )
        ).scalar_one()
    await notifications.acknowledge_payment(
        PaymentReceived(user_id=user_id, order_id=order_id, amount=amount, received_at=receipt.received_at)
    )
    return PaymentRead(
        payment_id=receipt.payment_id,
        order_id=order_id,
        status=status,
        open_amount=receipt.open_amount,
        received_at=receipt.received_at,
    )


def latest_sales(session: Session, count: int) -> list[SaleRow]:
    """The latest sold lines, newest first, in the caller's transaction."""
    rows = session.exec(
        select(Order.id, Order.placed_at, User.country, Product, OrderLine.quantity, OrderLine.gross)  # type: ignore[call-overload]
        .join(OrderLine, col(OrderLine.order_id) == col(Order.id))
        .join(Product, col(Product.id) == col(OrderLine.product_id))
        .join(User, col(User.id) == col(Order.user_id))
        .order_by(col(OrderLine.id).desc())
        .limit(count)
    )
    return [
        SaleRow(
            order_id=order_id,
            placed_at=placed_at,
            country=country,
            sku=product.sku,
            product=product.name,
            category=product.category,
            quantity=quantity,
            revenue=gross,
        )
        for order_id, placed_at, country, product, quantity, gross in rows
    ]


def _store_order(user_id: int, wish: OrderIn) -> tuple[OrderRead, InvoiceDraft]:
    """Price the lines, then take the goods out of the stock and write the order in one transaction."""
    quantities = Counter[int]()
    for wanted in wish.lines:
        quantities[wanted.product_id] += wanted.quantity
    now = datetime.now(UTC)
    tier = users.tier_of(user_id)
    with sync_session() as session:
        products = catalog.products_by_id(session, quantities)
    priced = [
        pricing.price_line(
            PriceRequest(
                product_id=product_id,
                category=products[product_id].category,
                list_price=products[product_id].list_price,
                quantity=quantity,
                tier=tier,
                on=now.date(),
            )
        )
        for product_id, quantity in quantities.items()
    ]
    total = sum((line.gross for line in priced), ZERO)
    discount = _coupon_discount(wish.coupon, total, now)
    order = Order(
        user_id=user_id, coupon=wish.coupon, discount=discount, total=total - discount, placed_at=now
    )
    order.lines = [
        OrderLine(product_id=line.product_id, quantity=line.quantity, gross=line.gross) for line in priced
    ]
    with writer, sync_session() as session:
        inventory.reserve(session, quantities)
        session.add(order)
        session.commit()
    stored = OrderRead.model_validate(order)
    return stored, _invoice_draft(stored, priced, products)


def _coupon_discount(code: str | None, total: Decimal, now: datetime) -> Decimal:
    if code is None:
        return ZERO
    try:
        return pricing.coupon_discount(code, total, now.date())
    except UnknownCoupon as error:
        raise OrderRejected(str(error)) from error


def _invoice_draft(order: OrderRead, priced: list[PricedLine], products: dict[int, Product]) -> InvoiceDraft:
    return InvoiceDraft(
        order_id=order.id,
        user_id=order.user_id,
        lines=[
            InvoiceLine(
                description=products[line.product_id].name,
                quantity=line.quantity,
                net=line.net - line.discount,
                tax=line.tax,
            )
            for line in priced
        ],
        discount=order.discount,
        total=order.total,
    )


def _id(order: Order) -> int:
    assert order.id is not None, "a stored order has an id"
    return order.id
