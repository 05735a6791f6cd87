"""HTTP side of the inventory."""

from fastapi import APIRouter

from shop.auth import CurrentUserId
from shop.inventory import service
from shop.inventory.models import StockLevel
from shop.inventory.schemas import StockChange

router = APIRouter(tags=["inventory"])


@router.patch("/products/{product_id}/stock")
def change_stock(product_id: int, change: StockChange, user_id: CurrentUserId) -> StockLevel:
    """Correct the stock of an article."""
    return service.adjust(product_id, change.delta, change.reason, user_id)
