"""Adding sales up."""

from collections import defaultdict

from shop.db import sync_session
from shop.money import ZERO
from shop.orders import service as orders
from shop.orders.schemas import SaleRow
from shop.reports.schemas import CategoryTotal, SalesReport

ROWS = 280


def sales_report() -> SalesReport:
    """The latest sales with totals by category, dearest first."""
    with sync_session() as session:
        rows = orders.latest_sales(session, ROWS)
    by_category: defaultdict[str, list[SaleRow]] = defaultdict(list)
    for row in rows:
        by_category[row.category].append(row)
    categories = [
        CategoryTotal(
            category=category,
            lines=len(sold),
            quantity=sum(row.quantity for row in sold),
            revenue=sum((row.revenue for row in sold), ZERO),
        )
        for category, sold in by_category.items()
    ]
    categories.sort(key=lambda total: (-total.revenue, total.category))
    return SalesReport(
        rows=rows, categories=categories, revenue=sum((total.revenue for total in categories), ZERO)
    )
