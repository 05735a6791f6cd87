"""HTTP bodies of the dashboard."""

from pydantic import BaseModel

from shop.catalog.schemas import ProductCard
from shop.money import Money
from shop.notifications.schemas import NotificationRead
from shop.orders.schemas import OrderSummary
from shop.users.schemas import UserRead


class Dashboard(BaseModel):
    """Everything about a customer at a glance."""

    user: UserRead
    balance: Money
    orders: list[OrderSummary]
    messages: list[NotificationRead]
    recommendations: list[ProductCard]
