"""Tables and values of the inventory."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import Field, SQLModel

from shop.catalog.schemas import Availability


class Warehouse(StrEnum):
    """Where the shop keeps its goods."""

    NORTH = "north"
    SOUTH = "south"
    WEST = "west"


class StockItem(SQLModel, table=True):
    """The stock of one article."""

    product_id: int = Field(primary_key=True, foreign_key="product.id")
    warehouse: Warehouse
    on_hand: int
    updated_at: datetime


class StockMovement(SQLModel, table=True):
    """A correction by hand, for the auditors."""

    id: int | None = Field(default=None, primary_key=True)
    product_id: int = Field(foreign_key="product.id")
    delta: int
    reason: str
    user_id: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StockLevel:
    """The part of a stock that other modules may see."""

    product_id: int
    on_hand: int
    warehouse: Warehouse
    availability: Availability
