"""The data that the users module gives to other modules."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from shop.users.models import Tier


class UserRead(BaseModel):
    """A customer's profile."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    email: str
    name: str
    tier: Tier
    country: str
    created_at: datetime
