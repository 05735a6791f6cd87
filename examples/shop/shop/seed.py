"""Fill a new database: `python -m shop.seed`. The same rows every time."""

import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlmodel import Session, SQLModel, insert

from shop.billing.document import render
from shop.billing.models import Invoice
from shop.billing.schemas import InvoiceDraft, InvoiceLine
from shop.catalog.models import Category, Product
from shop.config import settings
from shop.db import engine
from shop.inventory.models import StockItem, Warehouse
from shop.money import CENT, ZERO
from shop.notifications.models import MessageKind, Notification
from shop.orders.models import Order, OrderLine, OrderStatus
from shop.pricing import service as pricing
from shop.pricing.models import PriceRequest
from shop.users.models import Tier, User

USERS = 240
# Customers above this number have no history yet: the workload lets them place the orders, so that the
# histories it reads do not change under way.
USERS_WITH_ORDERS = 200
PRODUCTS = 500
ORDERS = USERS_WITH_ORDERS * 8
# Enough for any run: the busiest article of 200,000 orders sells some thousand times.
STOCK = 1_000_000

EPOCH = datetime(2026, 1, 5, 8, tzinfo=UTC)
FIRST_NAMES = "Ada Bela Chidi Dana Emil Farah Goran Hana Ines Jonas Kaya Lior".split()
LAST_NAMES = "Abel Brandt Costa Duarte Eriksen Fischer Garcia Hoxha Ito Jansen Kaur".split()
COUNTRIES = "DE FR PL NL AT".split()
ADJECTIVES = "Sturdy Quiet Compact Classic Bright Folding Everyday Premium Light Travel".split()
NOUNS: dict[Category, tuple[str, ...]] = {
    Category.BOOKS: ("Atlas", "Novel", "Cookbook", "Grammar"),
    Category.ELECTRONICS: ("Headphones", "Charger", "Radio", "Keyboard"),
    Category.GARDEN: ("Spade", "Hose", "Lantern", "Planter"),
    Category.GROCERY: ("Coffee", "Olive Oil", "Honey", "Chocolate"),
    Category.KITCHEN: ("Kettle", "Knife", "Pan", "Scales"),
    Category.OFFICE: ("Notebook", "Lamp", "Stapler", "Chair"),
    Category.SPORTS: ("Ball", "Racket", "Bottle", "Mat"),
    Category.TOYS: ("Puzzle", "Kite", "Blocks", "Train"),
}

Row = dict[str, Any]


def seed() -> int:
    """Write the tables and their rows into a new file; the number of rows."""
    for suffix in ("", "-wal", "-shm"):
        settings.database.with_name(settings.database.name + suffix).unlink(missing_ok=True)
    SQLModel.metadata.create_all(engine)
    users, products = _users(), _products()
    orders, lines, invoices, notifications = _orders(users, products)
    tables: list[tuple[type[SQLModel], list[Row]]] = [
        (User, users),
        (Product, products),
        (StockItem, _stock(products)),
        (Order, orders),
        (OrderLine, lines),
        (Invoice, invoices),
        (Notification, notifications),
    ]
    with Session(engine) as session:
        for table, rows in tables:
            session.execute(insert(table), rows)
        session.commit()
    engine.dispose()
    return sum(len(rows) for _, rows in tables)


def _users() -> list[Row]:
    tiers = (Tier.BASIC, Tier.BASIC, Tier.BASIC, Tier.SILVER, Tier.GOLD)
    rows = []
    for user_id in range(1, USERS + 1):
        name = f"{FIRST_NAMES[user_id % len(FIRST_NAMES)]} {LAST_NAMES[user_id % len(LAST_NAMES)]}"
        rows.append(
            {
                "id": user_id,
                "email": f"{name.replace(' ', '.').lower()}.{user_id}@example.com",
                "name": name,
                "tier": tiers[user_id % len(tiers)],
                "country": COUNTRIES[user_id % len(COUNTRIES)],
                "created_at": EPOCH + timedelta(hours=user_id),
            }
        )
    return rows


def _products() -> list[Row]:
    categories = tuple(Category)
    rows = []
    for product_id in range(1, PRODUCTS + 1):
        category = categories[product_id % len(categories)]
        noun = NOUNS[category][product_id // len(categories) % len(NOUNS[category])]
        adjective = ADJECTIVES[product_id % len(ADJECTIVES)]
        rows.append(
            {
                "id": product_id,
                "sku": f"{category.value[:3].upper()}-{product_id:05d}",
                "name": f"{adjective} {noun} {product_id}",
                "description": f"A {adjective.lower()} {noun.lower()} for everyone who likes {category}. "
                * 3,
                "category": category,
                "list_price": (Decimal("3.49") + Decimal(product_id * 7919 % 18_000) / 100).quantize(CENT),
                "weight_grams": 50 + product_id * 37 % 4_000,
            }
        )
    return rows


def _stock(products: list[Row]) -> list[Row]:
    warehouses = tuple(Warehouse)
    return [
        {
            "product_id": product["id"],
            "warehouse": warehouses[product["id"] % len(warehouses)],
            "on_hand": STOCK,
            "updated_at": EPOCH,
        }
        for product in products
    ]


def _orders(users: list[Row], products: list[Row]) -> tuple[list[Row], list[Row], list[Row], list[Row]]:
    """Eight orders for each old customer, of two to four lines, with invoice and message."""
    orders: list[Row] = []
    lines: list[Row] = []
    invoices: list[Row] = []
    notifications: list[Row] = []
    for order_id in range(1, ORDERS + 1):
        user = users[(order_id - 1) % USERS_WITH_ORDERS]
        placed_at = EPOCH + timedelta(days=30, minutes=7 * order_id)
        # Three orders in four are paid in full.
        paid = (order_id + order_id // USERS_WITH_ORDERS) % 4 != 0
        draft = _draft(order_id, user, products, placed_at.date(), lines)
        number = f"{placed_at:%Y}-{order_id:07d}"
        orders.append(
            {
                "id": order_id,
                "user_id": user["id"],
                "status": OrderStatus.PAID if paid else OrderStatus.PLACED,
                "coupon": None,
                "discount": ZERO,
                "total": draft.total,
                "placed_at": placed_at,
            }
        )
        invoices.append(
            {
                "order_id": order_id,
                "user_id": user["id"],
                "number": number,
                "total": draft.total,
                "paid": draft.total if paid else ZERO,
                "issued_at": placed_at,
                "document": render(draft, number, placed_at.date()),
            }
        )
        notifications.append(
            {
                "user_id": user["id"],
                "order_id": order_id,
                "kind": MessageKind.ORDER_CONFIRMATION,
                "subject": f"Your order {order_id}",
                "body": f"Dear {user['name']},\n\nthank you for your order {order_id}.\n\nYour shop\n",
                "created_at": placed_at,
            }
        )
    return orders, lines, invoices, notifications


def _draft(order_id: int, user: Row, products: list[Row], day: date, lines: list[Row]) -> InvoiceDraft:
    """The invoice of an order, whose lines are added to `lines`."""
    invoice_lines = []
    total = ZERO
    for number in range(2 + order_id % 3):
        product = products[(order_id * 31 + number * 97) % PRODUCTS]
        priced = pricing.price_line(
            PriceRequest(
                product_id=product["id"],
                category=product["category"],
                list_price=product["list_price"],
                quantity=1 + (order_id + number * 5) % 12,
                tier=user["tier"],
                on=day,
            )
        )
        total += priced.gross
        lines.append(
            {
                "order_id": order_id,
                "product_id": product["id"],
                "quantity": priced.quantity,
                "gross": priced.gross,
            }
        )
        invoice_lines.append(
            InvoiceLine(
                description=product["name"],
                quantity=priced.quantity,
                net=priced.net - priced.discount,
                tax=priced.tax,
            )
        )
    return InvoiceDraft(
        order_id=order_id, user_id=user["id"], lines=invoice_lines, discount=ZERO, total=total
    )


if __name__ == "__main__":
    print(f"{settings.database}: {seed()} rows", file=sys.stderr)
