"""HTTP side of the orders module."""

from fastapi import APIRouter

from shop.auth import CurrentUserId
from shop.orders import service
from shop.orders.schemas import OrderDetail, OrderIn, OrderRead, PaymentIn, PaymentRead, ReorderableOrder

router = APIRouter(tags=["orders"])


@router.get("/users/{user_id}/orders")
def list_orders(user_id: int) -> list[ReorderableOrder]:
    """A customer's latest orders, and what they would cost today."""
    return service.history(user_id)


@router.get("/orders/{order_id}")
async def read_order(order_id: int) -> OrderDetail:
    """One order."""
    return await service.get_order(order_id)


@router.post("/orders", status_code=201)
async def create_order(wish: OrderIn, user_id: CurrentUserId) -> OrderRead:
    """Place an order."""
    return await service.place_order(user_id, wish)


@router.post("/orders/{order_id}/payments", status_code=201)
async def create_payment(order_id: int, payment: PaymentIn, user_id: CurrentUserId) -> PaymentRead:
    """Book a payment."""
    return await service.pay_order(order_id, user_id, payment.amount, payment.method)
