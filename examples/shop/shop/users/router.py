"""HTTP side of the users module."""

from fastapi import APIRouter

from shop.users import service
from shop.users.schemas import UserRead

router = APIRouter(prefix="/users", tags=["users"])


@router.get("/{user_id}")
async def read_user(user_id: int) -> UserRead:
    """One customer."""
    return await service.get_user(user_id)
