"""Looking customers up."""

from sqlmodel import col, select

from shop.db import async_session, sync_session
from shop.errors import NotFound
from shop.users.models import Tier, User
from shop.users.schemas import UserRead


async def get_user(user_id: int) -> UserRead:
    """The profile of a customer, or `NotFound`."""
    async with async_session() as session:
        user = await session.get(User, user_id)
    if user is None:
        raise NotFound("user", user_id)
    return UserRead.model_validate(user)


def tier_of(user_id: int) -> Tier:
    """The tier of a customer; strangers are basic."""
    with sync_session() as session:
        tier = session.exec(select(col(User.tier)).where(User.id == user_id)).first()
    return tier or Tier.BASIC
