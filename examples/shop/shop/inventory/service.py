"""Reading and changing the stock."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlmodel import Session, col, select, update

from shop.catalog.schemas import Availability, ProductCard
from shop.db import sync_session, writer
from shop.errors import NotFound
from shop.inventory.errors import OutOfStock
from shop.inventory.models import StockItem, StockLevel, StockMovement

FEW = 10


def stock_level(product_id: int) -> StockLevel:
    """The stock of one article, or `NotFound`."""
    with sync_session() as session:
        item = session.get(StockItem, product_id)
    if item is None:
        raise NotFound("stock of product", product_id)
    return _level(item)


def annotate_availability(cards: list[ProductCard]) -> None:
    """Fill in the availability of each card, in place."""
    with sync_session() as session:
        rows = session.exec(
            select(StockItem.product_id, StockItem.on_hand).where(
                col(StockItem.product_id).in_([card.id for card in cards])
            )
        )
        on_hand: dict[int, int] = dict(rows.all())
    for card in cards:
        card.availability = _availability(on_hand.get(card.id, 0))


def reserve(session: Session, quantities: Mapping[int, int]) -> None:
    """Take goods out of the stock in the caller's transaction, which must fail if there is `OutOfStock`."""
    now = datetime.now(UTC)
    # Always in the same order, and each statement checks what it changes: no race, no deadlock.
    for product_id, quantity in sorted(quantities.items()):
        taken = session.exec(
            update(StockItem)
            .where(col(StockItem.product_id) == product_id, col(StockItem.on_hand) >= quantity)
            .values(on_hand=col(StockItem.on_hand) - quantity, updated_at=now)
            .execution_options(synchronize_session=False)
        )
        if taken.rowcount != 1:
            raise OutOfStock(product_id, quantity)


def adjust(product_id: int, delta: int, reason: str, user_id: int) -> StockLevel:
    """Correct a stock by hand and note who did it."""
    now = datetime.now(UTC)
    with writer, sync_session() as session:
        changed = session.exec(
            update(StockItem)
            .where(col(StockItem.product_id) == product_id, col(StockItem.on_hand) + delta >= 0)
            .values(on_hand=col(StockItem.on_hand) + delta, updated_at=now)
            .execution_options(synchronize_session=False)
        )
        item = session.get(StockItem, product_id)
        if item is None:
            raise NotFound("stock of product", product_id)
        if changed.rowcount != 1:
            raise OutOfStock(product_id, -delta)
        session.add(
            StockMovement(product_id=product_id, delta=delta, reason=reason, user_id=user_id, created_at=now)
        )
        session.commit()
    return _level(item)


def _level(item: StockItem) -> StockLevel:
    return StockLevel(
        product_id=item.product_id,
        on_hand=item.on_hand,
        warehouse=item.warehouse,
        availability=_availability(item.on_hand),
    )


def _availability(on_hand: int) -> Availability:
    if on_hand <= 0:
        return Availability.SOLD_OUT
    return Availability.FEW_LEFT if on_hand < FEW else Availability.IN_STOCK
