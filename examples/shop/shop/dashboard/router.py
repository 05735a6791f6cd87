"""HTTP side of the dashboard."""

from fastapi import APIRouter

from shop.dashboard import service
from shop.dashboard.schemas import Dashboard

router = APIRouter(prefix="/dashboard", tags=["dashboard"])


@router.get("/{user_id}")
async def read_dashboard(user_id: int) -> Dashboard:
    """A customer's dashboard."""
    return await service.dashboard_of(user_id)
