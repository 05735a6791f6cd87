"""Data that goes between the modules."""

import enum
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr
from sqlmodel import Field, SQLModel

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Kind(enum.StrEnum):
    BOOK = "book"


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Line:
    product_id: int
    price: Decimal
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Frozen:
    at: datetime
    color: Color
    total: Decimal = field(init=False, default=Decimal(0))


class Product(BaseModel):
    id: int
    name: str
    price: Decimal = Decimal("1.00")
    color: Color | None = None
    _seen: int = PrivateAttr(default=0)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)
    id: uuid.UUID


class Page(BaseModel, Generic[T]):
    items: list[T]


ProductPage = Page[Product]


class Row(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    made_at: datetime | None = None


class Draft(SQLModel):
    name: str


class OutOfStock(Exception):
    """Carries more than its message."""

    def __init__(self, product_id: int, left: int) -> None:
        super().__init__(f"product {product_id}: {left} left")
        self.product_id = product_id
        self.left = left


class HoldsLock(Exception):
    """Cannot be rebuilt: one of its attributes is live."""

    def __init__(self, lock: object) -> None:
        super().__init__("holds a lock")
        self.lock = lock
