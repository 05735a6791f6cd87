"""Putting the dashboard together."""

from shop.billing import service as billing
from shop.catalog import service as catalog
from shop.catalog.models import Category
from shop.dashboard.schemas import Dashboard
from shop.notifications import service as notifications
from shop.orders import service as orders
from shop.users import service as users

CATEGORIES = tuple(Category)


async def dashboard_of(user_id: int) -> Dashboard:
    """Ask everyone about a customer, one after the other."""
    user = await users.get_user(user_id)
    balance = await billing.balance_of(user_id)
    latest_orders = await orders.latest(user_id, 5)
    messages = await notifications.latest(user_id, 5)
    recommendations = await catalog.recommendations(CATEGORIES[user_id % len(CATEGORIES)], 6)
    return Dashboard(
        user=user,
        balance=balance,
        orders=latest_orders,
        messages=messages,
        recommendations=recommendations,
    )
