"""Tables of the users module."""

from datetime import datetime
from enum import StrEnum

from sqlmodel import Field, SQLModel


class Tier(StrEnum):
    """The tier of a customer, which sets their discount."""

    BASIC = "basic"
    SILVER = "silver"
    GOLD = "gold"


class User(SQLModel, table=True):
    """A customer."""

    id: int | None = Field(default=None, primary_key=True)
    email: str = Field(unique=True)
    name: str
    tier: Tier = Tier.BASIC
    country: str = Field(min_length=2, max_length=2)
    created_at: datetime
